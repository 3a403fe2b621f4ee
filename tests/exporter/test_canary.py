"""The canary."""

import asyncio
from collections.abc import Callable

from exporter.canary import Canary
from exporter.config import Config, Limits
from exporter.delivery import Delivery
from exporter.models import Models
from exporter.pipeline import Pipeline
from tests.exporter.conftest import Clock


def canary(config: Config, clock: Clock, capacity: int = 100) -> tuple[Canary, Pipeline]:
    pipeline = Pipeline(Models(config), capacity, 1 << 20, clock)
    return Canary(pipeline, Limits(), clock), pipeline


def judge(pipeline: Pipeline) -> None:
    """Judge all that is queued, and end."""
    pipeline.start()
    assert pipeline.stop(10)


def test_it_succeeds_when_its_query_was_judged_and_not_before(config: Callable[..., Config], clock: Clock) -> None:
    bird, pipeline = canary(config(), clock)
    assert bird.send()
    assert bird.succeeded_at is None
    clock.now = 2_000_000.0
    judge(pipeline)
    assert bird.succeeded_at == 2_000_000.0


def test_a_full_queue_is_no_success(config: Callable[..., Config], clock: Clock) -> None:
    bird, pipeline = canary(config(), clock, capacity=1)
    assert pipeline.offer(Delivery(source="push", queries=[], received=0.0))
    assert bird.send()
    assert not bird.send()
    assert bird.succeeded_at is None


def test_it_sends_at_once_and_again_until_it_is_cancelled(config: Callable[..., Config], clock: Clock) -> None:
    bird, pipeline = canary(config(), clock)

    async def start() -> bool:
        running = asyncio.create_task(bird.run())
        await asyncio.sleep(0)
        running.cancel()
        return await asyncio.gather(running, return_exceptions=True) != []

    assert asyncio.run(start())
    assert pipeline.waiting == 1
