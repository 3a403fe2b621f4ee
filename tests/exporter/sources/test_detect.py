"""Queries that are judged before the answer."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from detectors import DetectionResult, Query
from exporter.config import Config, DetectorConfig, Limits
from exporter.delivery import Delivery, Outcome
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources import detect as module
from exporter.sources.detect import DetectIntake, reply
from exporter.sources.duplicates import Duplicates
from exporter.sources.push import PushIntake
from exporter.sources.reply import Reply
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE, Clock, LengthDetector

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


# -- the answer


def test_a_query_is_judged_before_the_answer(make: Make) -> None:
    intake = make()
    [(status, said)] = intake.ask({"input": "a", "output": UNSURE})
    assert status == 200
    score = pytest.approx(0.6931, abs=1e-4)
    metadata = {"mode": "entropy", "detector": "confidence", "score": score, "threshold": 0.5}
    reason = "entropy mode: suspicious score = 0.6931, threshold = 0.5000"
    assert {name: said[name] for name in ("is_suspicious", "confidence", "reason", "metadata")} == {
        "is_suspicious": True,
        "confidence": score,
        "reason": reason,
        "metadata": metadata,
    }
    assert said["detections"] == [
        {
            "detector": "confidence",
            "status": "ok",
            "is_suspicious": True,
            "confidence": score,
            "reason": reason,
            "metadata": metadata,
        }
    ]
    assert intake.counted() == (1, 0, {})


def test_the_monitaur_request_is_answered_too(make: Make) -> None:
    [(status, said)] = make().ask({"input_data": "a", "model_output": SURE, "modality": "llm"})
    assert (status, said["is_suspicious"]) == (200, False)


def test_the_top_level_is_the_flagged_detector_furthest_above_its_threshold(
    make: Make, config: Build, length: DetectorConfig
) -> None:
    intake = make(config(CONFIDENCE, length))
    [(_, said)] = intake.ask({"input": "x" * 50, "output": UNSURE})
    assert (said["is_suspicious"], said["metadata"]["detector"]) == (True, "length")
    [(_, said)] = intake.ask({"input": "x" * 5, "output": UNSURE})
    assert (said["is_suspicious"], said["metadata"]["detector"]) == (True, "confidence")


def test_the_top_level_is_the_first_that_judged_when_none_flagged(
    make: Make, config: Build, length: DetectorConfig
) -> None:
    intake = make(config(CONFIDENCE, length))
    [(_, said)] = intake.ask({"input": "x", "output": SURE})
    assert (said["is_suspicious"], said["metadata"]["detector"]) == (False, "confidence")
    [(_, said)] = intake.ask({"input": "x"})
    assert (said["is_suspicious"], said["metadata"]["detector"]) == (False, "length")


def test_every_detector_is_told_of_in_order_with_its_status(make: Make, config: Build, length: DetectorConfig) -> None:
    [(status, said)] = make(config(length, CONFIDENCE)).ask({"input": "x"})
    assert status == 200
    assert [(d["detector"], d["status"]) for d in said["detections"]] == [("length", "ok"), ("confidence", "skipped")]
    assert said["detections"][1] == {"detector": "confidence", "status": "skipped", "reason": "no_probabilities"}


def test_a_query_that_no_detector_could_judge_is_422_with_the_reasons(
    make: Make, config: Build, length: DetectorConfig
) -> None:
    [(status, said)] = make(config(length, CONFIDENCE)).ask({"input": "boom"})
    assert (status, said["detail"]) == (422, "no detector could judge this query")
    assert [detection["status"] for detection in said["detections"]] == ["error", "skipped"]


def test_a_silent_intake_judges_and_counts_and_tells_nothing(make: Make, config: Build, length: DetectorConfig) -> None:
    intake = make(config(length))
    intake.is_silent = True
    sure, unsure = {"input": "short", "id": "1"}, {"input": "a much longer text", "id": "2"}
    assert intake.ask(sure, unsure) == [(200, {"status": "judged"})] * 2
    assert intake.ask(unsure) == [(200, {"status": "judged"})]
    [tally] = intake.pipeline.models.of(None).tallies
    assert (tally.judgements, tally.flags) == (2, 2)
    assert intake.ask({"input": "boom"}) == [(422, {"detail": "no detector could judge this query"})]


def test_a_threshold_of_0_is_furthest_exceeded() -> None:
    def flagged(name: str, score: float, threshold: float) -> Outcome:
        metadata = {"detector": name, "score": score, "threshold": threshold}
        return Outcome(name, "ok", True, score, name, metadata)

    said = json.loads(reply([flagged("a", 100.0, 1.0), flagged("b", 0.5, 0.0)]).body)
    assert said["metadata"]["detector"] == "b"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b"hello", 400, "malformed"),
        (b'{"input":"\xff"}', 400, "malformed"),
        (b'{"input":"a"}\n{"input":"b"}', 400, "malformed"),
        (b"[]", 422, "wrong_type"),
        (b"{}", 422, "missing_field"),
        (b'{"input":[]}', 422, "invalid_input"),
        (b'{"input":"a","output":[2]}', 422, "invalid_output"),
        (b'{"input":"abcd"}', 422, "too_large"),
    ],
)
def test_what_is_wrong_is_refused_and_counted(make: Make, config: Build, body: bytes, status: int, code: str) -> None:
    intake = make(config(limits=Limits(text_characters=3)))
    [(said_status, said)] = intake.ask(body)
    assert said_status == status
    assert said["detail"]
    assert intake.counted() == (0, 0, {code: 1})


# -- without a task


def test_a_light_body_is_answered_by_a_call_on_the_event_loop(make: Make) -> None:
    intake, event = make(), b'{"input":"a","output":[0.5,0.5],"id":"1"}'

    async def ask() -> list[Reply]:
        told: asyncio.Queue[Reply] = asyncio.Queue()
        for _ in range(2):
            intake.detect_light(event, told.put_nowait)
        assert told.empty()
        return [await asyncio.wait_for(told.get(), 10) for _ in range(2)]

    first, second = map(read, asyncio.run(ask()))
    assert (first[0], first[1]["is_suspicious"]) == (200, True)
    assert first == second
    assert intake.counted() == (2, 1, {})


def test_a_light_body_that_is_wrong_is_refused_at_once(make: Make) -> None:
    intake, told = make(), []
    intake.detect_light(b"hello", told.append)
    assert [answer.status for answer in told] == [400]
    assert intake.counted() == (0, 0, {"malformed": 1})


# -- the queue


def fill(pipeline: Pipeline, size: int = 0) -> None:
    """Keep the judging thread busy and the queue full, while the caller holds the lock of the pipeline."""
    for _ in range(2):  # there is room for the second once the thread has taken the first
        delivery = Delivery(source="test", queries=[Query("x")], received=0.0, size=size)
        while not pipeline.offer(delivery):
            assert pipeline.wait_for_room(delivery, 10)


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


# -- retries


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


# -- several senders


def test_each_sender_of_a_turn_is_a_delivery_of_its_own(make: Make) -> None:
    intake, taken = make(), []
    take = intake._ledger.take

    def seen(delivery: Delivery, *rest: Any) -> None:
        taken.append((delivery.sender, [query.id for query in delivery.queries]))
        take(delivery, *rest)

    intake._ledger.take = seen  # type: ignore[method-assign]

    async def turn() -> list[Reply]:
        asked = [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1")]
        bodies = [(json.dumps({"input": "x", "output": SURE, "id": name}).encode(), sender) for sender, name in asked]
        return await asyncio.wait_for(asyncio.gather(*(intake.detect(*body) for body in bodies)), 10)

    assert {answer.status for answer in asyncio.run(turn())} == {200}
    assert taken == [("a", ["1", "2"]), ("b", ["1"])]
    assert intake.counts.duplicates == 1


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


# -- detectors of one's own


def test_words_that_cannot_be_written_are_an_error_of_that_query_alone(
    make: Make, config: Build, register: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Wordy(LengthDetector):
        def explain(self, index: int, score: float) -> DetectionResult:
            return DetectionResult(False, 0.0, "fine", {"odd": object() if score > 1 else 1})

    register("wordy", Wordy)
    answers = make(config(DetectorConfig(name="wordy"))).ask({"input": "a"}, {"input": "ab"}, {"input": "c"})
    assert [status for status, _ in answers] == [200, 500, 200]
    assert answers[1][1] == {"detail": "the answer cannot be written as JSON"}
    assert "object" in caplog.text or caplog.records


@pytest.mark.parametrize(("event", "elsewhere"), [({"input": "a"}, False), ({"input": "a _base64"}, True)])
def test_what_takes_long_to_decode_does_not_hold_the_event_loop(
    make: Make, monkeypatch: pytest.MonkeyPatch, event: Any, elsewhere: bool
) -> None:
    threads, decode = [], module.native.decode_line

    def decode_line(*arguments: Any) -> Query:
        threads.append(threading.current_thread())
        return decode(*arguments)

    monkeypatch.setattr(module.native, "decode_line", decode_line)
    assert make().ask(event | {"output": SURE})[0][0] == 200
    assert [thread is not threading.main_thread() for thread in threads] == [elsewhere]


def test_queries_keep_what_they_hold(make: Make, config: Build, register: Any) -> None:
    seen: list[Query] = []

    class Seen(LengthDetector):
        def _compute_score(self, query: Query) -> float:
            seen.append(query)
            return 0.0

    register("seen", Seen)
    make(config(DetectorConfig(name="seen"))).ask({"input": "a", "client": "c", "attributes": {"k": "v"}})
    [query] = seen
    assert (query.input_data, query.client, query.metadata, query.timestamp) == ("a", "c", {"k": "v"}, 1_000_000.0)
