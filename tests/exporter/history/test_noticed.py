"""What is noticed besides flagged queries goes into the history."""

from collections.abc import Callable
from typing import Any

import pytest

from detectors import Query
from exporter.config import Config, Limits, Model, OwnDrift, OwnDriftReference, OwnDriftWindow, Prices
from exporter.delivery import Delivery
from exporter.formats import inference
from exporter.formats.drift import Report
from exporter.formats.feedback import Truth
from exporter.health.inferences import Inferences
from exporter.history.judged import SAMPLED, Judged
from exporter.history.noticed import PER_SECOND, Noticed
from exporter.history.recorder import Recorder
from exporter.history.rows import ClientAlarm, Drift, InferenceSample
from exporter.models import Models
from exporter.pipeline import Pipeline
from tests.exporter.conftest import SURE, UNSURE
from tests.exporter.traffic import WARM_UP, natural, repeats

Build = Callable[..., Config]
SAMPLE = (
    b'{"model_id":"m","model_type":"llm","request_id":"r","latency":250,"client":"key","tokens":{"input":3,"output":4}}'
)


def shown(client: str) -> str:
    return f"c-{client}"


class Watched:
    """A pipeline whose judging thread does not run, and what it handed to the history."""

    def __init__(self, config: Config) -> None:
        self.recorder = Recorder(config)
        self.pipeline = Pipeline(Models(config), 10_000, 1 << 30)
        self.pipeline.on_judged = Judged(self.recorder, self.health, "none", 100, shown)
        self.pipeline.noticed = Noticed(self.recorder, self.health, shown=shown)
        self.pipeline.models.worker.on_looked = self.pipeline.noticed.drift

    def health(self, label: str) -> Inferences:
        return self.pipeline.models.by_label[label].health

    def judge(self, *queries: Query, received: float = 1000.0) -> None:
        self.pipeline.judge([Delivery("push", list(queries), received)])

    def measure(self, source: str, *samples: Any) -> None:
        self.pipeline.judge([Delivery(source, (), 1000.0, samples=samples)])

    def rows(self, kind: str) -> list[Any]:
        self.pipeline.models.worker.finish()
        return [made() if callable(made) else made for of, made in self.recorder._added if of == kind]


def test_a_client_that_comes_into_alarm_is_recorded_once_as_it_is_shown(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    for events in (natural(WARM_UP), repeats(12), repeats(3)):
        watched.judge(*[Query(one["input"], one["output"], id=one["id"], client=one["client"]) for one in events])
    [row] = watched.rows("client_alarms")
    assert isinstance(row, ClientAlarm)
    assert (row.model, row.client[:2], row.level in ("alarm", "severe")) == ("m", "c-", True)
    assert row.families
    assert row.reasons
    assert row.score >= 1.0


def test_a_sample_is_recorded_and_a_retry_of_it_is_not(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    for _ in range(2):
        watched.measure("inference", *inference.decode(SAMPLE, Limits()))
    [row] = watched.rows("inference")
    assert isinstance(row, InferenceSample)
    assert (row.model, row.client, row.latency_seconds, row.tokens_output, row.joined) == ("m", "c-key", 0.25, 4, False)


def test_a_flood_of_samples_is_sampled_and_counted_by_its_minute(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    many = [SAMPLE.replace(b'"r"', f'"r-{n}"'.encode()) for n in range(PER_SECOND + 7)]
    watched.measure("inference", *[one for body in many for one in inference.decode(body, Limits())])
    assert len(watched.rows("inference")) == PER_SECOND
    assert watched.recorder.dropped["rate"] == 7
    [minute] = watched.recorder.minutes.take()
    assert minute.queries == PER_SECOND + 7


def test_a_sample_of_a_known_query_is_not_counted_again(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    watched.judge(Query("a", SURE, id="r"))
    watched.measure("inference", *inference.decode(SAMPLE, Limits()))
    assert [row.joined for row in watched.rows("inference")] == [True]
    [minute] = watched.recorder.minutes.take()
    assert minute.queries == 1


@pytest.mark.parametrize("query_first", [True, False])
def test_a_minute_says_of_an_inference_what_its_query_and_its_sample_say_together(
    config: Build, query_first: bool
) -> None:
    watched = Watched(config(models=(Model(name="m", prices=Prices(output_token=0.5)),)))
    for is_query in (query_first, not query_first):
        if is_query:
            watched.judge(Query("a", SURE, id="r", error="boom"))
        else:
            watched.measure("inference", *inference.decode(SAMPLE, Limits()))
    [minute] = watched.recorder.minutes.take()
    assert (minute.queries, minute.errors, minute.latency_count, minute.latency_sum) == (1, 1, 1, 0.25)
    assert (minute.tokens_input, minute.tokens_output, minute.cost_dollars) == (3, 4, 2.0)


def test_what_was_judged_before_the_history_began_is_in_no_minute(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    noticed, watched.pipeline.on_judged = watched.pipeline.on_judged, None
    watched.judge(Query("a", SURE, latency_seconds=0.5))
    watched.pipeline.models.observe_anew()
    watched.pipeline.on_judged = noticed
    watched.judge(Query("a", SURE, latency_seconds=0.25))
    [minute] = watched.recorder.minutes.take()
    assert (minute.queries, minute.latency_sum) == (1, 0.25)


def test_of_the_inferences_that_queries_tell_some_are_recorded_and_none_counted_again(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    watched.judge(*[Query("a", SURE, id=str(n), latency_seconds=0.5, client="key") for n in range(50)])
    watched.judge(Query("a", SURE))
    rows = watched.rows("inference")
    assert len(rows) == SAMPLED
    assert {(row.client, row.latency_seconds) for row in rows} == {("c-key", 0.5)}
    [minute] = watched.recorder.minutes.take()
    assert (minute.queries, minute.latency_count) == (51, 50)


def test_a_window_that_has_drifted_is_recorded_and_one_that_has_not_is_not(config: Build) -> None:
    quick = OwnDrift(
        reference=OwnDriftReference(queries=200, interval=1.0), window=OwnDriftWindow(queries=200, interval=1.0)
    )
    watched = Watched(config(models=(Model(name="m", drift=quick),)))
    for second in range(6):
        answer = SURE if second < 4 else UNSURE
        watched.judge(*[Query("a", answer, id=f"{second}-{n}") for n in range(200)], received=1000.0 + second)
    rows = watched.rows("drift")
    assert rows
    assert all(isinstance(row, Drift) for row in rows)
    assert {(row.model, row.source, row.drift_type) for row in rows} == {("m", "found", "data")}
    assert rows[0].feature in rows[0].details["features"]


def test_concept_drift_is_recorded_when_it_begins(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    for n in range(3_000):
        watched.judge(Query("a", {"label": "x"}, id=str(n)))
    watched.measure("feedback", *[Truth(id=str(n), label="x" if n < 1_000 else "y") for n in range(3_000)])
    [row] = watched.rows("drift")
    assert (row.drift_type, row.method) == ("concept", "page_hinkley")
    assert row.details["usual_accuracy"] == 1.0
    assert 0.0 < row.details["accuracy"] < 1.0


def test_a_sample_is_recorded_with_all_that_it_tells_and_nothing_else(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    plain = b'{"model_id":"m","model_type":"llm","request_id":"bare","latency":250}'
    full = (
        b'{"model_id":"m","model_type":"llm","request_id":"full","latency":250,"tokens":{"input":3,"output":4},'
        b'"time_to_first_token":50,"cost_dollars":0.5,"error":"late","tags":{"team":"x"},'
        b'"resource_usage":{"gpu_memory":0.5,"cpu_usage":0.25,"memory_usage":0.75}}'
    )
    for body in (plain, full):
        watched.measure("inference", *inference.decode(body, Limits()))
    bare, told = watched.rows("inference")
    names = ("client", "first_token_seconds", "tokens_input", "tokens_output", "cost_dollars", "error")
    used = ("gpu_memory", "cpu_usage", "memory_usage")
    assert {getattr(bare, name) for name in names + used} == {None}
    assert [getattr(told, name) for name in names] == [None, 0.05, 3, 4, 0.5, "other"]
    assert [getattr(told, name) for name in used] == [0.5, 0.25, 0.75]
    assert (told.tags, told.latency_seconds, told.model_type, told.request_id) == ({"team": "x"}, 0.25, "llm", "full")


def test_what_a_sample_costs_by_the_prices_is_recorded_with_it(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m", prices=Prices(request=0.25, output_token=0.125)),)))
    body = b'{"model_id":"m","model_type":"llm","request_id":"a","latency":250,"tokens":{"input":3,"output":2}}'
    watched.measure("inference", *inference.decode(body, Limits()))
    [row] = watched.rows("inference")
    assert row.cost_dollars == 0.5


def test_a_report_from_elsewhere_is_recorded_under_its_key(config: Build) -> None:
    watched = Watched(config(models=(Model(name="m"),)))
    watched.pipeline.samples.reports.on_report = watched.pipeline.noticed.reported
    report = Report(model_id="m", drift_type="concept", severity="low", confidence=0.5, tags={"by": "us"}, id="r")
    watched.measure("drift", report, report)
    rows = watched.rows("drift")
    assert [(row.source, row.model, row.tags) for row, _ in rows] == [("reported", "m", {"by": "us"})] * 2
    assert rows[0].key == rows[1].key
