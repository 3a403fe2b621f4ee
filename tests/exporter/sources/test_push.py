"""Pushed queries."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detectors import Query
from exporter.config import Config, Limits
from exporter.delivery import Delivery
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.duplicates import Duplicates
from exporter.sources.push import PushIntake
from exporter.sources.reply import Reply
from exporter.storage.journal import Journal
from tests.exporter.conftest import Clock


class Intake(PushIntake):
    """An intake with its pipeline at hand."""

    def __init__(self, pipeline: Pipeline, limits: Limits, clock: Clock) -> None:
        self.pipeline = pipeline
        super().__init__(Ledger(pipeline), Duplicates(), limits, clock)


Make = Callable[..., Intake]


@pytest.fixture
def make(config: Callable[..., Config], clock: Clock) -> Make:
    """An intake in front of a pipeline that does not judge."""

    def build(limits: Limits | None = None, capacity: int = 100, capacity_bytes: int = 1 << 20) -> Intake:
        return Intake(Pipeline(Models(config()), capacity, capacity_bytes, clock), limits or Limits(), clock)

    return build


def push(intake: Intake, *events: Any, **other: Any) -> tuple[int, Any]:
    reply = intake.push(b"\n".join(json.dumps(event).encode() for event in events), **other).result()
    return reply.status, json.loads(reply.body)


def counts(intake: Intake) -> tuple[int, int, dict[str, int]]:
    return intake.counts.accepted, intake.counts.duplicates, dict(intake.counts.rejected)


def test_what_is_taken_is_202_and_waits_in_the_queue(make: Make) -> None:
    intake = make()
    assert push(intake, {"input": "a"}, {"input": "b"}) == (202, {"accepted": 2, "duplicates": 0, "rejected": []})
    assert counts(intake) == (2, 0, {})
    assert intake.pipeline.waiting == 2


def test_a_retry_is_accepted_counted_as_a_duplicate_and_not_queued_again(make: Make) -> None:
    intake = make()
    push(intake, {"input": "a", "id": 1})
    said = push(intake, {"input": "a", "id": 1}, {"input": "b", "id": 2})
    assert said == (202, {"accepted": 2, "duplicates": 1, "rejected": []})
    assert push(intake, {"input": "b", "id": 2})[0] == 202
    assert counts(intake) == (4, 2, {})
    assert intake.pipeline.waiting == 2


def test_the_same_id_of_two_senders_is_two_queries(make: Make) -> None:
    intake = make()
    push(intake, {"input": "a", "id": 1}, sender="one")
    assert push(intake, {"input": "a", "id": 1}, sender="two")[1]["duplicates"] == 0


def test_wrong_records_are_named_while_the_others_are_taken(make: Make) -> None:
    intake = make()
    status, said = push(intake, {"input": "a"}, {}, {"input": "b", "output": [2]}, {"input": "c"})
    assert (status, said["accepted"]) == (202, 2)
    assert [record["index"] for record in said["rejected"]] == [1, 2]
    assert all(record["reason"] for record in said["rejected"])
    assert counts(intake) == (2, 0, {"missing_field": 1, "invalid_output": 1})


def test_a_body_of_wrong_records_only_is_422_in_the_same_shape(make: Make) -> None:
    intake = make()
    status, said = push(intake, {}, {"input": []})
    assert (status, said["accepted"], said["duplicates"]) == (422, 0, 0)
    assert [record["index"] for record in said["rejected"]] == [0, 1]
    assert counts(intake) == (0, 0, {"missing_field": 1, "invalid_input": 1})


def test_duplicates_beside_wrong_records_are_accepted(make: Make) -> None:
    intake = make()
    push(intake, {"input": "a", "id": 1})
    status, said = push(intake, {"input": "a", "id": 1}, {})
    assert (status, said["accepted"], said["duplicates"]) == (202, 1, 1)


def test_a_body_that_cannot_be_read_is_400_and_counted_once(make: Make) -> None:
    intake = make()
    reply = intake.push(b"[1, 2").result()
    assert reply.status == 400
    assert json.loads(reply.body)["detail"].startswith("the body is no JSON array")
    assert counts(intake) == (0, 0, {"malformed": 1})


def test_an_empty_array_is_nothing_to_complain_about(make: Make) -> None:
    assert json.loads(make().push(b"[]").result().body) == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_more_queries_than_a_body_may_hold_are_413(make: Make) -> None:
    intake = make(Limits(body_queries=2))
    assert push(intake, *[{"input": "a"}] * 2)[0] == 202
    status, said = push(intake, *[{"input": "a"}] * 3)
    assert (status, said) == (413, {"detail": "3 records in one body, more than the 2 allowed"})
    assert counts(intake) == (2, 0, {"too_large": 3})


def test_wrong_records_beyond_what_a_body_may_hold_are_413_and_not_told_one_by_one(make: Make) -> None:
    intake = make(Limits(body_queries=100))
    for body in (
        b"{}\n" * 1000,
        b"[" + b"{}," * 1000 + b"{}]",
        b"no JSON\n" * 1000,
        b'{"input":"a"}\n' * 99 + b"{}\n" * 2,
    ):
        reply = intake.push(body).result()
        assert reply.status == 413
        assert len(reply.body) < 100
    assert intake.push(b'{"input":"a"}\n' * 99 + b"{}\n").result().status == 202
    assert intake.counts.rejected["too_large"] == 1000 + 1001 + 101 + 101


def test_a_body_that_finds_no_room_is_429_and_none_of_it_is_taken(make: Make) -> None:
    intake = make(capacity=3)
    push(intake, {"input": "a"}, {"input": "b"})
    reply: Reply = intake.push(b'{"input":"c","id":1}\n{"input":"d"}\n{}').result()
    assert (reply.status, reply.retry_after) == (429, 1)
    assert counts(intake) == (2, 0, {"queue_full": 2})
    assert intake.pipeline.waiting == 2


def test_a_retry_after_a_429_is_no_duplicate(make: Make) -> None:
    intake = make(capacity=1)
    push(intake, {"input": "a"})
    assert push(intake, {"input": "b", "id": 1})[0] == 429
    intake.pipeline.start()
    assert intake.pipeline.offer(Delivery(source="test", queries=[Query("x")], received=0.0))  # there is room
    judged = threading.Event()
    intake.pipeline.offer(Delivery(source="test", queries=[], received=0.0, done=lambda _: judged.set()))
    assert judged.wait(10)
    assert push(intake, {"input": "b", "id": 1}) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})
    assert intake.pipeline.stop(10)


def test_duplicates_are_answered_even_when_the_queue_is_full(make: Make) -> None:
    intake = make(capacity=1)
    push(intake, {"input": "a", "id": 1})
    assert push(intake, {"input": "a", "id": 1})[0] == 202


def test_the_bytes_of_a_body_weigh_in_the_queue(make: Make) -> None:
    intake = make(capacity_bytes=100)
    assert push(intake, {"input": "x" * 80})[0] == 202
    assert push(intake, {"input": "y"})[0] == 429


def test_of_equal_bodies_at_once_each_query_is_taken_once(make: Make) -> None:
    intake = make(capacity=100_000)
    body = b"\n".join(json.dumps({"input": "a", "id": number}).encode() for number in range(500))
    senders = [threading.Thread(target=intake.push, args=(body,)) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert counts(intake) == (4000, 3500, {})
    assert intake.pipeline.waiting == 500


@pytest.mark.parametrize("sync", [False, True])
def test_at_the_bound_of_the_journal_nothing_is_taken_and_everything_counted(
    config: Callable[..., Config], clock: Clock, tmp_path: Path, sync: bool
) -> None:
    pipeline = Pipeline(Models(config()), 100, 1 << 20, clock)
    journal = Journal(tmp_path / "journal", max_bytes=500, sync=sync)
    journal.start()
    duplicates = Duplicates()
    intake = PushIntake(Ledger(pipeline, journal, sync), duplicates, Limits(), clock)
    event = {"input": "x" * 600, "id": "1"}
    for _ in range(2):  # what was refused is no duplicate
        reply = intake.push(json.dumps([event, event | {"id": "2"}]).encode()).result(10)
        assert (reply.status, reply.retry_after) == (507, 10)
    assert intake.counts.rejected == {"not_stored": 4}
    assert (intake.counts.accepted, pipeline.waiting) == (0, 0)
    journal.stop()
