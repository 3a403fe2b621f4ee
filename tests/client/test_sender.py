"""Sending, step by step, on a clock that stands: what goes when, and what becomes of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.conftest import Scripted
from tests.exporter.conftest import Clock
from vedette_client import Answer
from vedette_client.breaker import FAILURES
from vedette_client.buffer import Buffer
from vedette_client.notices import REPEAT_SECONDS, Notices
from vedette_client.sender import Sender
from vedette_client.settings import Settings
from vedette_client.statistics import Counts

LONGEST = Settings().longest_wait


class Rig:
    """A sender with all its parts, an obedient transport, and no jitter."""

    def __init__(self, clock: Clock, *answers: Any, **settings: Any) -> None:
        self.clock, self.transport, self.counts = clock, Scripted(*answers), Counts()
        self.buffer = Buffer(1 << 20)
        parts = (self.buffer, self.transport, Settings(**settings), self.counts, Notices(clock), clock)
        self.sender = Sender(*parts, random=lambda: 0.0)

    def put(self, kind: str, count: int) -> None:
        self.buffer.put({kind: [json.dumps({"n": number}).encode() for number in range(count)]})

    def run(self) -> float:
        """Steps until it wants to wait; for how long."""
        while not (seconds := self.sender.step()):
            pass
        return seconds

    @property
    def delivered(self) -> int:
        return self.counts.read(0, 0, 0, "closed", {}).delivered

    @property
    def dropped(self) -> dict[str, int]:
        return dict(self.counts.dropped())


@pytest.fixture
def rig(clock: Clock) -> Callable[..., Rig]:
    return lambda *answers, **settings: Rig(clock, *answers, **settings)


def test_queries_go_one_a_line_in_batches(rig: Callable[..., Rig]) -> None:
    sending = rig(batch_records=2)
    sending.put("query", 5)
    sending.run()
    assert sending.transport.sizes == [2, 2, 1]
    assert sending.transport.requests[0] == ("/api/v1/queries", b'{"n": 0}\n{"n": 1}')
    assert (sending.delivered, sending.buffer.records) == (5, 0)


@pytest.mark.parametrize("kind", ["inference", "drift", "custom", "feedback"])
def test_samples_go_as_an_array_and_a_lone_one_as_an_object(rig: Callable[..., Rig], kind: str) -> None:
    sending = rig(201, 201, batch_records=2)
    sending.put(kind, 3)
    sending.run()
    assert [json.loads(body) for _, body in sending.transport.requests] == [[{"n": 0}, {"n": 1}], {"n": 2}]


def test_models_go_one_by_one(rig: Callable[..., Rig]) -> None:
    sending = rig()
    sending.put("model", 3)
    sending.run()
    assert [json.loads(body) for _, body in sending.transport.requests] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_nothing_is_sent_before_the_server_s_retry_after(rig: Callable[..., Rig], clock: Clock) -> None:
    sending = rig(Answer(429, retry_after=30.0))
    sending.put("query", 3)
    assert sending.run() == 30
    clock.now += 29.9
    sending.run()
    assert len(sending.transport.requests) == 1
    clock.now += 0.1
    sending.run()
    assert sending.delivered == 3
    assert sending.transport.requests[0] == sending.transport.requests[1]


def test_a_lane_that_has_to_wait_holds_up_no_other(rig: Callable[..., Rig]) -> None:
    sending = rig(Answer(429, retry_after=30.0))
    sending.put("query", 3)
    sending.put("inference", 1)
    assert sending.run() == 30
    assert [path for path, _ in sending.transport.requests] == ["/api/v1/queries", "/api/v1/metrics/inference"]
    assert sending.delivered == 1


def test_a_busy_lane_does_not_starve_the_others(rig: Callable[..., Rig]) -> None:
    sending = rig(batch_records=1)
    sending.put("query", 10)
    sending.put("feedback", 1)
    for _ in range(2):
        sending.sender.step()
    assert "/api/v1/feedback" in [path for path, _ in sending.transport.requests]


def test_a_server_that_is_away_makes_every_lane_wait(rig: Callable[..., Rig]) -> None:
    sending = rig(Answer(503, retry_after=9.0))
    sending.put("query", 1)
    sending.put("inference", 1)
    assert sending.run() == 9
    assert len(sending.transport.requests) == 1


def test_when_the_circuit_is_half_open_one_record_decides(rig: Callable[..., Rig], clock: Clock) -> None:
    sending = rig(*[None] * FAILURES)
    sending.put("query", 10)
    sending.run()
    assert sending.sender.breaker.state == "open"
    assert sending.transport.sizes == [10] * FAILURES
    clock.now += LONGEST
    sending.run()
    assert sending.transport.sizes[FAILURES:] == [1, 9]
    assert (sending.sender.breaker.state, sending.delivered) == ("closed", 10)


def test_an_outage_of_an_hour_loses_nothing(rig: Callable[..., Rig], clock: Clock) -> None:
    sending = rig(*[None] * 10_000)
    end = clock.now + 3600
    while clock.now < end:
        sending.put("query", 1)
        clock.now += max(sending.run(), 1.0)
    put_in = sending.buffer.records
    sending.transport._answers.clear()
    clock.now += LONGEST
    sending.run()
    assert (sending.delivered, sending.dropped) == (put_in, {})
    assert len(sending.transport.requests) < 300


def test_a_body_that_is_too_large_is_split_and_only_the_record_that_is_too_large_alone_dropped(
    rig: Callable[..., Rig],
) -> None:
    def small(body: bytes) -> Answer:
        return Answer(413 if len(body) > 30 or b"7" in body else 202)

    sending = rig(*[small] * 100)
    sending.put("query", 10)
    sending.run()
    assert (sending.delivered, sending.dropped) == (9, {"too_large": 1})


def test_one_wrong_sample_of_an_array_costs_only_itself(rig: Callable[..., Rig]) -> None:
    sending = rig(*[lambda body: Answer(422 if b"7" in body else 201)] * 100)
    sending.put("inference", 10)
    sending.run()
    assert (sending.delivered, sending.dropped) == (9, {"rejected": 1})


def test_a_server_that_takes_no_arrays_gets_objects(rig: Callable[..., Rig]) -> None:
    sending = rig(*[lambda body: Answer(422 if body.startswith(b"[") else 201)] * 100)
    sending.put("inference", 10)
    sending.run()
    assert (sending.delivered, sending.dropped) == (10, {})


def test_rejected_queries_are_dropped_and_counted_and_duplicates_are_delivered(rig: Callable[..., Rig]) -> None:
    told = {"accepted": 2, "duplicates": 1, "rejected": [{"index": 0, "reason": "no"}]}
    sending = rig(Answer(202, json.dumps(told).encode()), 422)
    sending.put("query", 3)
    sending.run()
    sending.put("query", 2)
    sending.run()
    assert (sending.delivered, sending.dropped) == (2, {"rejected": 3})


def test_why_records_are_rejected_is_said_once_a_minute(
    rig: Callable[..., Rig], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def rejects(body: bytes) -> Answer:
        reason = {"index": 0, "reason": f"no {len(sending.transport.requests)}"}
        return Answer(422, json.dumps({"accepted": 0, "duplicates": 0, "rejected": [reason]}).encode())

    sending = rig(*[rejects] * 10)
    for _ in range(4):
        sending.put("query", 1)
        sending.run()
        clock.now += REPEAT_SECONDS / 2
    said = "vedette: 1 of 1 records for /api/v1/queries are dropped: rejected: [0] no {}"
    assert [record.message for record in caplog.records] == [said.format(1), said.format(3)]


def test_a_key_without_the_scope_costs_only_the_lane_that_needs_it(
    rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    sending = rig(403, 202)
    sending.put("model", 1)
    sending.put("query", 1)
    sending.run()
    assert (sending.delivered, sending.dropped) == (1, {"refused": 1})
    assert "the key may not send to /api/v1/models" in caplog.text


def test_an_outage_is_said_once_and_its_end_too(
    rig: Callable[..., Rig], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sending = rig(*[None] * 20)
    sending.put("query", 1)
    for _ in range(30):
        sending.run()
        clock.now += LONGEST * 2
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "vedette: the exporter cannot be reached",
        "vedette: the exporter answers again",
    ]


def test_a_wrong_key_leaves_no_hope_for_the_end_and_a_full_queue_does(rig: Callable[..., Rig]) -> None:
    for status, hope in ((401, False), (429, True), (None, False)):
        sending = rig(status)
        sending.put("query", 1)
        sending.sender.step()
        assert sending.sender.has_hope() is hope
