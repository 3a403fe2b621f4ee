"""An intake of `/detect` with a pipeline behind it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from detectors import Query
from exporter.config import Config
from exporter.delivery import Delivery
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.detect import DetectIntake
from exporter.sources.duplicates import Duplicates
from exporter.sources.reply import Reply
from tests.exporter.conftest import Clock

Build = Callable[..., Config]
Answer = tuple[int, Any]


class Intake(DetectIntake):
    """An intake with a pipeline that judges."""

    def __init__(self, config: Config, clock: Clock, capacity: int = 100, capacity_bytes: int = 1 << 20) -> None:
        self.pipeline, self.duplicates = Pipeline(Models(config), capacity, capacity_bytes, clock), Duplicates()
        super().__init__(Ledger(self.pipeline), self.duplicates, config.limits, clock)
        self.pipeline.start()

    def ask(self, *events: Any) -> list[Answer]:
        """Ask all in one turn of the event loop; the answers."""

        async def turn() -> list[Reply]:
            return await asyncio.wait_for(asyncio.gather(*map(self.send, events)), 10)

        return [read(answer) for answer in asyncio.run(turn())]

    def send(self, event: Any) -> "asyncio.Task[Reply]":
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return asyncio.ensure_future(self.detect(body))

    def settle(self) -> None:
        """Wait until all that was taken so far is judged."""
        judged = threading.Event()
        barrier = Delivery(source="test", queries=[], received=0.0, done=lambda _: judged.set())
        assert self.pipeline.offer(barrier)
        assert judged.wait(10)

    def counted(self) -> tuple[int, int, dict[str, int]]:
        return self.counts.accepted, self.counts.duplicates, dict(self.counts.rejected)


def read(answer: Reply) -> Answer:
    return answer.status, json.loads(answer.body)


async def turns() -> None:
    """Let the event loop go round until what was sent is handed over."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def make(config: Build, clock: Clock) -> Iterator[Callable[..., Intake]]:
    made: list[Intake] = []

    def build(configured: Config | None = None, **bounds: int) -> Intake:
        made.append(Intake(configured or config(), clock, **bounds))
        return made[-1]

    yield build
    for intake in made:
        assert intake.pipeline.stop(10)


Make = Callable[..., Intake]


def fill(pipeline: Pipeline, size: int = 0) -> None:
    """Keep the judging thread busy and the queue full, while the caller holds the lock of the pipeline."""
    for _ in range(2):  # there is room for the second once the thread has taken the first
        delivery = Delivery(source="test", queries=[Query("x")], received=0.0, size=size)
        while not pipeline.offer(delivery):
            assert pipeline.wait_for_room(delivery, 10)
