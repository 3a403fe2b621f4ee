"""Queries on their way through the queue: turns that fill it, and senders that go away."""

import asyncio
from typing import Any

from exporter.config import DetectorConfig
from exporter.sources.reply import Reply
from tests.exporter.conftest import SURE, UNSURE, LengthDetector
from tests.exporter.sources.detect.conftest import Build, Make, fill, turns


def test_a_turn_that_finds_no_room_is_429_and_counted_as_such(make: Make) -> None:
    intake = make(capacity=1)

    async def full() -> Reply:
        with intake.pipeline.lock:
            fill(intake.pipeline)
            return await asyncio.wait_for(intake.send({"input": "c", "output": SURE, "id": 1}), 10)

    refused = asyncio.run(full())
    assert (refused.status, refused.retry_after) == (429, 1)
    assert intake.counted() == (0, 0, {"queue_full": 1})
    intake.settle()
    assert intake.ask({"input": "c", "output": SURE, "id": 1})[0][0] == 200
    assert intake.counted() == (1, 0, {"queue_full": 1})


def test_the_bytes_of_a_query_weigh_in_the_queue(make: Make) -> None:
    intake = make(capacity_bytes=1000)

    async def full() -> list[Reply]:
        with intake.pipeline.lock:
            fill(intake.pipeline, size=600)
            refused = await asyncio.wait_for(intake.send({"input": "x" * 500, "output": SURE}), 10)
            taken = intake.send({"input": "x", "output": SURE})
            await turns()
        return [refused, await asyncio.wait_for(taken, 10)]

    assert [answer.status for answer in asyncio.run(full())] == [429, 200]


def test_the_queries_of_one_turn_are_handed_over_together(make: Make, config: Build, register: Any) -> None:
    batches = []

    class Batches(LengthDetector):
        def score(self, batch: Any) -> Any:
            batches.append(len(batch))
            return super().score(batch)

    register("batches", Batches)
    answers = make(config(DetectorConfig(name="batches"))).ask(*[{"input": "x" * n} for n in range(5)])
    assert batches == [5]
    assert [said["metadata"]["score"] for _, said in answers] == [0, 1, 2, 3, 4]


def test_a_sender_that_goes_away_does_not_disturb_the_others(make: Make) -> None:
    intake = make()

    async def leave() -> Reply:
        with intake.pipeline.lock:
            gone = intake.send({"input": "a", "output": UNSURE, "id": 1})
            stays = intake.send({"input": "b", "output": UNSURE})
            await turns()
            gone.cancel()
            await turns()
        return await asyncio.wait_for(stays, 10)

    assert asyncio.run(leave()).status == 200
    assert intake.counted() == (2, 0, {})
    assert intake.ask({"input": "a", "output": UNSURE, "id": 1})[0][0] == 200
    assert intake.counted() == (3, 1, {})
