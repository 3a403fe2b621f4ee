"""Queries that are sent again get the answer that was given."""

import asyncio
import json

import pytest

from detectors import Query
from exporter.config import DetectorConfig, Limits
from exporter.delivery import Delivery, Outcome
from exporter.ledger import Ledger
from exporter.sources import detect as module
from exporter.sources.push import PushIntake
from exporter.sources.reply import Reply
from tests.exporter.conftest import SURE, UNSURE, Clock
from tests.exporter.sources.detect.conftest import Build, Make, fill, read, turns


def test_a_retry_gets_the_answer_that_was_given_and_is_judged_once(
    make: Make, config: Build, length: DetectorConfig
) -> None:
    intake, event = make(config(length)), {"input": "a long text", "id": "1"}
    first, second = intake.ask(event), intake.ask(event)
    assert first == second
    assert first[0][0] == 200
    assert intake.counted() == (2, 1, {})
    assert intake.pipeline.models.of(None).queries == 1


def test_of_equal_queries_in_one_turn_both_get_the_answer(make: Make) -> None:
    intake, event = make(), {"input": "a", "output": UNSURE, "id": "1"}
    first, second, third = intake.ask(event, event, event)
    assert first == second == third
    assert first[0] == 200
    assert intake.counted() == (3, 2, {})
    assert intake.pipeline.models.of(None).queries == 1


def test_a_retry_of_a_query_that_still_waits_gets_its_answer_with_it(make: Make) -> None:
    intake, event = make(), {"input": "a", "output": UNSURE, "id": "1"}

    async def retry() -> list[Reply]:
        with intake.pipeline.lock:
            first = intake.send(event)
            await turns()
            second = intake.send(event)
            await turns()
            assert not first.done()
            assert not second.done()
        return await asyncio.wait_for(asyncio.gather(first, second), 10)

    first, second = map(read, asyncio.run(retry()))
    assert first == second
    assert first[0] == 200
    assert intake.counted() == (2, 1, {})


def test_a_retry_of_a_query_that_was_refused_is_refused_with_it(make: Make) -> None:
    intake, event = make(capacity=1), {"input": "c", "output": SURE, "id": 1}

    async def full() -> list[Reply]:
        with intake.pipeline.lock:
            fill(intake.pipeline)
            return await asyncio.wait_for(asyncio.gather(intake.send(event), intake.send(event)), 10)

    assert [answer.status for answer in asyncio.run(full())] == [429, 429]
    assert intake.counted() == (0, 0, {"queue_full": 1})
    intake.settle()
    assert intake.ask(event)[0][0] == 200


def test_the_same_id_with_other_content_is_judged_and_counted_as_reused(make: Make) -> None:
    intake = make()
    intake.ask({"input": "a", "output": SURE, "id": 1})
    [(_, said)] = intake.ask({"input": "a", "output": UNSURE, "id": 1})
    assert said["is_suspicious"]
    assert intake.counted() == (2, 0, {})
    assert intake.pipeline.models.of(None).ids_reused == 1


def test_a_retry_whose_answer_is_not_kept_is_409_and_not_worth_another_try(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_ANSWERS", 2)
    intake = make()
    for number in range(3):
        intake.ask({"input": "a", "output": SURE, "id": number})
    [(status, said)] = intake.ask({"input": "a", "output": SURE, "id": 0})
    assert (status, said) == (409, {"detail": "judged already; its answer is not kept any more"})
    assert intake.ask({"input": "a", "output": SURE, "id": 2})[0][0] == 200
    assert intake.counted() == (5, 2, {})


def test_a_query_that_was_pushed_before_has_no_answer_to_give(make: Make, clock: Clock) -> None:
    intake = make()
    push = PushIntake(Ledger(intake.pipeline), intake.duplicates, Limits(), clock)
    assert push.push(b'{"input":"a","id":1}').result().status == 202
    assert intake.ask({"input": "a", "id": 1})[0][0] == 409


def test_the_answers_of_a_replay_are_for_retries_of_the_same_sender(make: Make) -> None:
    intake = make()
    body = json.dumps({"input": "x", "output": SURE, "id": "1"}).encode()
    query = Query("x", SURE, id="1")
    with intake.duplicates.lock:
        intake.duplicates.remember(intake.duplicates.sort_out([query], "a").entries, 0.0)
    said = [Outcome("confidence", "ok", False, 0.0, "", {"score": 0.0, "threshold": 0.5})]
    intake.answered(Delivery(source="detect", queries=[query], received=0.0, sender="a"), [said])

    async def ask(sender: str) -> Reply:
        return await asyncio.wait_for(intake.detect(body, sender), 10)

    assert asyncio.run(ask("a")).status == 200
    assert intake.counts.duplicates == 1
    assert asyncio.run(ask("b")).status == 200
    assert intake.counts.duplicates == 1
