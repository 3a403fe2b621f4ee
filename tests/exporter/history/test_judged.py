"""What is judged goes into the history: every query into its minute, flagged ones with their evidence."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detectors import Query
from exporter.config import Config, DetectorConfig, Model, OwnDrift, Prices
from exporter.delivery import CANARY, Delivery
from exporter.history.judged import Judged
from exporter.history.recorder import Recorder
from exporter.history.rows import FlaggedQuery, InferenceSample, RollUp
from exporter.models import Models
from exporter.pipeline import Pipeline
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE

Build = Callable[..., Config]
NOW = 1_000_000.0
TEXTS = DetectorConfig(name="text_repetition", options={"threshold": 2})


class Watched:
    """A pipeline whose judging thread does not run, and what it handed over."""

    def __init__(self, config: Config, evidence: Any = "none", per_second: int = 100) -> None:
        self.recorder = Recorder(config)
        self.pipeline = Pipeline(Models(config), 1_000, 1 << 30, clock=lambda: NOW)
        models = self.pipeline.models.by_label
        self.pipeline.on_judged = Judged(self.recorder, lambda label: models[label].health, evidence, per_second)

    def judge(self, *queries: Query, received: float = NOW, source: str = "push") -> None:
        self.pipeline.judge([Delivery(source, list(queries), received)])

    def flagged(self) -> list[FlaggedQuery]:
        made = [row() if callable(row) else row for _, row in self.recorder._added]
        assert all(isinstance(row, FlaggedQuery) for row in made)
        return made  # type: ignore[return-value]

    def minute(self) -> RollUp:
        [row] = self.recorder.minutes.take()
        return row


@pytest.fixture
def watched(config: Build) -> Watched:
    return Watched(config(CONFIDENCE, TEXTS))


def test_a_flagged_query_is_recorded_with_what_every_detector_said(watched: Watched) -> None:
    watched.judge(
        Query("a", SURE, id="q-1"),
        Query("a", UNSURE, id="q-2", client="key <1>", version="v2"),
        Query("b", SURE, id="q-3"),
    )
    [row] = watched.flagged()
    assert (row.time, row.model, row.version, row.query_id) == (NOW, "default", "v2", "q-2")
    assert row.client == "key__1_"
    assert row.content is None
    assert list(row.detectors) == ["confidence", "text_repetition"]
    assert row.detectors["text_repetition"].reason == "Query repeated 2 times."
    assert row.detectors["text_repetition"].score == 2
    assert row.detectors["text_repetition"].threshold == 2
    assert row.detectors["confidence"].score == pytest.approx(np.log(2))


def test_words_are_those_of_the_batch_however_much_is_judged_before_they_are_made(watched: Watched) -> None:
    watched.judge(Query("a", UNSURE), Query("a", SURE))
    watched.judge(*[Query("c", SURE) for _ in range(50)])
    assert [next(iter(row.detectors)) for row in watched.flagged()][:2] == ["confidence", "text_repetition"]
    assert [row.detectors["text_repetition"].reason for row in watched.flagged()[-1:]] == ["Query repeated 50 times."]


def test_a_minute_counts_queries_flags_latency_errors_tokens_and_cost(watched: Watched) -> None:
    watched.judge(
        Query("a", SURE, latency_seconds=0.5, tokens={"input": 3, "output": 4}, cost_dollars=0.25),
        Query("b", UNSURE, latency_seconds=0.25, error="boom"),
        Query("c", SURE),
    )
    row = watched.minute()
    assert (row.queries, row.flagged, row.errors, row.latency_count, row.latency_sum) == (3, 1, 1, 2, 0.75)
    assert (row.tokens_input, row.tokens_output, row.cost_dollars) == (3, 4, 0.25)


def test_synthetic_queries_are_in_no_history(watched: Watched) -> None:
    watched.judge(Query("a", UNSURE), source=CANARY)
    assert watched.flagged() == []
    assert watched.recorder.minutes.take() == []


def test_a_flood_is_sampled_in_order_and_the_rest_is_counted(config: Build) -> None:
    watched = Watched(config(CONFIDENCE), per_second=3)
    watched.judge(*[Query(str(n), UNSURE if n % 2 else SURE, id=str(n)) for n in range(20)])
    assert [row.query_id for row in watched.flagged()] == ["1", "3", "5"]
    assert watched.recorder.dropped["rate"] == 7
    watched.judge(Query("x", UNSURE, id="late"))
    watched.judge(Query("y", UNSURE, id="next"), received=NOW + 1)
    assert [row.query_id for row in watched.flagged()] == ["1", "3", "5", "next"]
    assert watched.recorder.dropped["rate"] == 8


def test_content_is_kept_only_where_evidence_is_asked_for(config: Build) -> None:
    watched = Watched(config(CONFIDENCE), evidence="redacted")
    watched.judge(Query("call 0123456", UNSURE))
    assert [row.content for row in watched.flagged()] == ["call <number>"]


def test_a_row_that_waits_does_not_hold_the_content(config: Build) -> None:
    watched = Watched(config(CONFIDENCE, models=(Model(name="m", drift=OwnDrift(enabled=False)),)))
    watched.pipeline.models.by_label["m"].suspicion = None  # it holds the first queries, to learn from them
    content = np.zeros((64, 64))
    kept = weakref.ref(content)
    watched.judge(Query(content, UNSURE))
    del content
    gc.collect()
    assert kept() is None
    assert len(watched.flagged()) == 1


def test_queries_beside_one_that_breaks_a_detector_keep_their_places(config: Build, length: DetectorConfig) -> None:
    watched = Watched(config(length))
    watched.judge(*[Query(text, id=text) for text in ("short", "boom", "a", "longer", "nan")])
    assert [(row.query_id, row.detectors["length"].score) for row in watched.flagged()] == [("short", 5), ("longer", 6)]
    assert watched.flagged()[0].detectors["length"].reason == "the score 5 is at or above 5"


def test_judging_goes_on_when_nothing_can_be_recorded(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched.recorder.minutes, "count", None)
    watched.judge(Query("a", UNSURE))
    assert watched.pipeline.models.of(None).queries == 1
    assert watched.recorder.dropped["invalid"] == 1


def test_an_inference_that_a_query_tells_of_is_a_row_with_all_that_it_told(watched: Watched) -> None:
    told = {"latency_seconds": 0.5, "tokens": {"input": 3, "output": 4}, "cost_dollars": 0.25, "error": "e" * 300}
    waited = {"time_to_first_token_seconds": 0.125}
    watched.judge(Query("a", SURE, waited, id="i" * 300, client="key <1>", **told), Query("b", SURE))
    [(kind, make)] = watched.recorder._added
    row = make() if callable(make) else make
    assert isinstance(row, InferenceSample)
    assert (kind, row.time, row.model, row.client, row.latency_seconds) == ("inference", NOW, "default", "key__1_", 0.5)
    assert (row.tokens_input, row.tokens_output, row.cost_dollars, row.joined) == (3, 4, 0.25, False)
    assert (row.request_id, row.error, row.first_token_seconds) == ("i" * 256, "other", 0.125)


@pytest.mark.parametrize(
    ("prices", "told", "dollars"),
    [
        (Prices(input_token=0.01, request=0.5), {}, 0.53),
        (Prices(input_token=0.01, request=0.5), {"cost_dollars": 0.25}, 0.25),
        (Prices(), {}, None),
    ],
)
def test_its_cost_is_what_it_told_else_by_the_prices(
    config: Build, prices: Prices, told: dict[str, float], dollars: float | None
) -> None:
    watched = Watched(config(CONFIDENCE, models=(Model(name="default", prices=prices),)))
    watched.judge(Query("a", SURE, latency_seconds=0.5, tokens={"input": 3}, **told))
    [(_, make)] = watched.recorder._added
    assert callable(make)
    assert make().cost_dollars == dollars  # type: ignore[union-attr]


def test_long_ids_of_flagged_queries_are_cut(watched: Watched) -> None:
    watched.judge(Query("a", UNSURE, id="i" * 300))
    assert [row.query_id for row in watched.flagged()] == ["i" * 256]
