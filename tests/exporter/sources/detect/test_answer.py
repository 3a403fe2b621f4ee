"""What is answered to a query, and what is refused."""

import asyncio
import json
import threading
from typing import Any

import pytest

from detectors import DetectionResult, Query
from exporter.config import DetectorConfig, Limits
from exporter.delivery import Outcome
from exporter.sources import detect as module
from exporter.sources.detect import reply
from exporter.sources.reply import Reply
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE, LengthDetector
from tests.exporter.sources.detect.conftest import Build, Make, read


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
