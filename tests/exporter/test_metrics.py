"""What `/metrics` shows."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, PlatformCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from detectors import Query
from exporter.access.gate import Counts
from exporter.canary import Canary
from exporter.config import (
    AlertShare,
    Config,
    Defaults,
    DetectorConfig,
    External,
    Limits,
    Model,
    Objectives,
    OwnDrift,
    OwnDriftReference,
    OwnDriftWindow,
    Thresholds,
)
from exporter.delivery import Delivery
from exporter.drift.judge import WINDOW_RESULTS
from exporter.formats import REJECTION_CODES
from exporter.health.failures import REASONS as FAILURES
from exporter.history.recorder import Recorder
from exporter.metrics import FAMILIES, PREFIX, Exposed, VedetteCollector
from exporter.models import ERROR_REASONS, SKIP_REASONS, Models
from exporter.pipeline import Pipeline
from exporter.protocol import Connections
from exporter.recovery.keeper import Keeper
from exporter.sources.counts import IntakeCounts
from exporter.sources.duplicates import Duplicates
from exporter.storage.journal import Journal
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE, Clock, LengthDetector, samples
from tests.exporter.traffic import WARM_UP, natural, repeats

Build = Callable[..., Config]
FORBIDDEN = {"deployment", "endpoint", "namespace", "service", "pod", "container", "job", "instance"} | {
    "severity",
    "alertname",
    "type",
    "env",
}


class Files:
    """A drop directory that counted something."""

    read, failed = 3, {"malformed": 1, "unreadable": 0}

    def pending(self) -> int:
        return 2


@pytest.fixture
def expose(clock: Clock) -> Callable[..., Exposed]:
    def build(config: Config, **other: Any) -> Exposed:
        pipeline = Pipeline(Models(config), 50_000, 1 << 20, clock)
        intake = {"push": IntakeCounts(), "detect": IntakeCounts()}
        canary = Canary(pipeline, config.limits, clock)
        return Exposed(config=config, pipeline=pipeline, intake=intake, canary=canary, clock=clock, **other)

    return build


def registry(exposed: Exposed) -> CollectorRegistry:
    made = CollectorRegistry(auto_describe=False)
    made.register(VedetteCollector(exposed))
    return made


def page(exposed: Exposed) -> dict[str, float]:
    """The samples without the prefix."""
    found = samples(generate_latest(registry(exposed)).decode())
    assert all(name.startswith(PREFIX) for name in found)
    return {name.removeprefix(PREFIX): value for name, value in found.items()}


class Gate:
    """A gate that kept somebody out."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.counts.failures["revoked"], self.counts.rate_limited = 3, 2


def judge(exposed: Exposed, *queries: Query, source: str = "push", received: float = 1_000_000.0) -> None:
    exposed.pipeline.judge([Delivery(source=source, queries=list(queries), received=received)])


# -- before the first event


def test_counters_are_there_at_0_before_the_first_event(config: Build, expose: Any) -> None:
    found = page(expose(config(models=(Model(name="m"),))))
    labels = 'detector="confidence",model="m"'
    expected = [
        f'queries_rejected_total{{reason="{r}",source="{s}"}}' for r in REJECTION_CODES for s in ("push", "detect")
    ]
    expected += [f'detector_skipped_total{{{labels},reason="{reason}"}}' for reason in SKIP_REASONS]
    expected += [f'detector_errors_total{{{labels},reason="{reason}"}}' for reason in ERROR_REASONS]
    expected += [
        f'{name}_total{{source="{s}"}}'
        for name in ("queries_accepted", "queries_duplicate")
        for s in ("push", "detect")
    ]
    for name in ("queries", "suspicious_queries", "queries_without_client", "queries_id_reused"):
        expected.append(f'{name}_total{{model="m"}}')
    expected += [f'drift_windows_total{{model="m",result="{result}"}}' for result in WINDOW_RESULTS]
    expected += ['inferences_total{model="m"}', 'cost_dollars_total{model="m"}']
    expected += [f'tokens_total{{direction="{direction}",model="m"}}' for direction in ("input", "output")]
    expected += [f'inference_failures_total{{model="m",reason="{reason}"}}' for reason in FAILURES]
    expected += [f"detector_judgements_total{{{labels}}}", f"detector_flags_total{{{labels}}}"]
    expected += [
        'folded_labels_total{label="model"}',
        "series_dropped_total",
        'detector_seconds_total{detector="confidence"}',
        'detector_seconds_total{detector="clients"}',
        'detector_errors_total{detector="clients",model="m",reason="exception"}',
    ]
    expected += [
        f'{name}_total{{family="{family}",model="m"}}'
        for name in ("client_alarms", "client_dismissals")
        for family in ("repeat", "variants", "uncertainty", "distribution")
    ]
    assert {name: found.get(name) for name in expected} == dict.fromkeys(expected, 0.0)
    assert {name for name in found if re.match(r"\w+_total\b", name)} == set(expected)


def test_histograms_are_there_at_0_with_all_their_buckets(config: Build, expose: Any) -> None:
    found = page(expose(config()))
    scores = {name: value for name, value in found.items() if name.startswith("detection_score")}
    assert len(scores) == 12 + 1 + 2
    delays = {name: value for name, value in found.items() if name.startswith("judging_delay_seconds")}
    assert len(delays) == 13 + 1 + 2
    assert set(scores.values()) | set(delays.values()) == {0.0}


def test_what_has_not_happened_yet_has_no_time(config: Build, expose: Any) -> None:
    found = page(expose(config()))
    assert not any(name.startswith(("last_query_timestamp", "canary_last", "model_silence")) for name in found)


def test_thresholds_are_there_for_every_exposed_model(config: Build, expose: Any) -> None:
    own = DetectorConfig(name="confidence", options={"threshold": 0.25})
    models = (Model(name="a"), Model(name="b", detectors=(own,), expected_interval=300.0))
    found = page(
        expose(Config(defaults=Defaults(detectors=(CONFIDENCE,), alert_share=AlertShare(warning=0.1)), models=models))
    )
    assert found['flagged_threshold_ratio{detector="confidence",level="warning",model="a"}'] == 0.1
    assert found['flagged_threshold_ratio{detector="confidence",level="critical",model="a"}'] == 0.2
    assert found['flagged_threshold_ratio{detector="confidence",level="warning",model="b"}'] == 0.1
    assert found['detector_threshold{detector="confidence",model="a"}'] == 0.5
    assert found['detector_threshold{detector="confidence",model="b"}'] == 0.25
    assert found['model_silence_threshold_seconds{model="b"}'] == 300.0
    assert 'model_silence_threshold_seconds{model="a"}' not in found


# -- what is counted


def test_what_was_judged_is_on_the_page(config: Build, expose: Any) -> None:
    exposed = expose(config())
    judge(exposed, Query("a", UNSURE, client="c"), Query("b", SURE), Query("c"), received=999_999.5)
    found = page(exposed)

    def bucket(bound: str) -> float:
        return found[f'detection_score_bucket{{detector="confidence",le="{bound}",model="default"}}']

    both = 'detector="confidence",model="default"'
    assert found['queries_total{model="default"}'] == 3
    assert found['suspicious_queries_total{model="default"}'] == 1
    assert found['queries_without_client_total{model="default"}'] == 2
    assert found['last_query_timestamp_seconds{model="default"}'] == 999_999.5
    assert found[f"detector_judgements_total{{{both}}}"] == 2
    assert found[f"detector_flags_total{{{both}}}"] == 1
    assert found[f'detector_skipped_total{{{both},reason="no_probabilities"}}'] == 1
    assert found[f"detection_score_count{{{both}}}"] == 2
    assert bucket("0.05") == 0
    assert bucket("0.1") == 1
    assert bucket("0.95") == 1
    assert bucket("1.0") == 2
    assert bucket("+Inf") == 2
    assert found[f"detection_score_sum{{{both}}}"] == pytest.approx(1 + 0.0808, abs=1e-4)
    assert found[f"detector_window_queries{{{both}}}"] == 2
    assert found["judging_delay_seconds_count"] == 3
    assert found["judging_delay_seconds_sum"] == 1.5
    assert found['judging_delay_seconds_bucket{le="0.25"}'] == 0
    assert found['judging_delay_seconds_bucket{le="0.5"}'] == 3


def test_what_sources_files_canary_and_reload_say_is_on_the_page(config: Build, expose: Any) -> None:
    exposed = expose(config(external=External(url="http://v:1")), files=Files(), open_intake=lambda: True)
    exposed.intake["push"].accepted, exposed.intake["push"].duplicates = 5, 2
    exposed.intake["detect"].rejected["malformed"] = 4
    exposed.canary.succeeded_at, exposed.reload_successful, exposed.reloaded_at = 8.0, False, 6.0
    exposed.pipeline.offer(Delivery(source="push", queries=[Query("a")] * 4, received=0.0))
    found = page(exposed)
    assert (found['queries_accepted_total{source="push"}'], found['queries_duplicate_total{source="push"}']) == (5, 2)
    assert found['queries_rejected_total{reason="malformed",source="detect"}'] == 4
    assert (found["drop_files_total"], found["drop_files_pending"]) == (3, 2)
    assert found['drop_files_failed_total{reason="malformed"}'] == 1
    assert found['drop_files_failed_total{reason="unreadable"}'] == 0
    assert (found["queue_queries"], found["queue_capacity_queries"], found["open_intake"]) == (4, 50_000, 1)
    assert found["canary_last_success_timestamp_seconds"] == 8
    assert (found["config_last_reload_successful"], found["config_last_reload_success_timestamp_seconds"]) == (0, 6)
    assert found['external_info{grafana_url="",url="http://v:1"}'] == 1


def test_who_was_kept_out_is_on_the_page(config: Build, expose: Any) -> None:
    found = page(expose(config(), gate=Gate()))
    assert found['authentication_failures_total{reason="revoked"}'] == 3
    assert found['authentication_failures_total{reason="missing"}'] == 0
    assert found["rate_limited_total"] == 2


def test_a_model_that_was_forgotten_is_off_the_page(config: Build, expose: Any, clock: Clock) -> None:
    exposed = expose(config())
    judge(exposed, *[Query("a", model="earned") for _ in range(20)], received=clock.now)
    assert 'queries_total{model="earned"}' in page(exposed)
    clock.now += 90_000
    judge(exposed, Query("a"), received=clock.now)
    assert not any('model="earned"' in name for name in page(exposed))


# -- clients


def test_a_client_in_alarm_is_shown_with_its_evidence(config: Build, expose: Any) -> None:
    exposed = expose(config())
    attack(exposed)
    judge(exposed, *[to_query(event) for event in natural(50, seed=2)])
    found = page(exposed)
    assert found['client_alarm{client="eve",model="default"}'] == 1
    assert found['client_evidence_ratio{client="eve",family="repeat",model="default"}'] >= 1
    assert found['client_evidence_ratio{client="eve",family="variants",model="default"}'] == 0
    assert found['client_suspicion_ratio{client="eve",model="default"}'] >= 1
    assert found['client_alarms_total{family="repeat",model="default"}'] == 1
    assert found['clients{level="alarm",model="default"}'] == 1
    assert found['clients{level="ok",model="default"}'] == 10
    assert found['clients{level="severe",model="default"}'] == 0


def test_an_alarm_ends_15_minutes_after_the_last_evidence(config: Build, expose: Any, clock: Clock) -> None:
    exposed = expose(config())
    attack(exposed)
    clock.now += 890
    assert 'client_alarm{client="eve",model="default"}' in page(exposed)
    clock.now += 20
    assert 'client_alarm{client="eve",model="default"}' not in page(exposed)


def test_at_most_50_clients_in_alarm_are_shown_and_the_others_counted(config: Build, expose: Any) -> None:
    exposed = expose(config())
    # what most clients do is natural: there are more of the others
    judge(exposed, *[to_query(event) for event in natural(WARM_UP + 2000, clients=80)])
    for number in range(60):
        judge(exposed, *[to_query(event) for event in repeats(8, client=f"bot-{number}")])
    found = page(exposed)
    assert len([name for name in found if name.startswith("client_alarm{")]) == 50
    assert 'client_alarm{client="bot-0",model="default"}' in found
    assert found['client_alarms_hidden{model="default"}'] == 10


def test_clients_that_are_shown_under_one_name_are_one_series(config: Build, expose: Any) -> None:
    exposed = expose(config())
    judge(exposed, *[to_query(event) for event in natural(WARM_UP)])
    for name in ("a b", "a_b"):
        judge(exposed, *[to_query(event) for event in repeats(10, client=name)])
    assert page(exposed)['client_alarm{client="a_b",model="default"}'] == 1


def test_warm_up_is_shown_for_each_kind_of_evidence(config: Build, expose: Any) -> None:
    exposed = expose(config())
    judge(exposed, *[to_query(event) for event in natural(WARM_UP // 4)])
    found = page(exposed)
    assert found['warm_up_ratio{detector="exact_repeat",model="default"}'] == 0.25
    assert found['evidence_off{detector="exact_repeat",model="default"}'] == 0


def test_clients_of_models_beyond_the_limit_are_not_judged(config: Build, expose: Any) -> None:
    exposed = expose(config(models=(Model(name="m"),), limits=Limits(models=1)))
    judge(exposed, Query("a", model="another"))
    assert not any(name.startswith("clients{") and 'model="other"' in name for name in page(exposed))


# -- bounds


def test_the_series_are_counted_and_bounded_a_model_at_a_time(config: Build, expose: Any) -> None:
    models = tuple(Model(name=f"m{n}") for n in range(5))
    full = page(expose(config(models=models)))
    assert full["series"] == len(full)
    exposed = expose(config(models=models, limits=Limits(series=len(full) - 1)))
    bounded = page(exposed)
    assert bounded["series"] == len(bounded) < len(full)
    assert bounded["series_dropped_total"] == len(full) - len(bounded)
    assert {name for name in full if 'model="m4"' in name} == set(full) - set(bounded)
    assert page(exposed)["series_dropped_total"] == 2 * (len(full) - len(bounded))


def test_the_series_of_the_process_count_too_and_are_never_left_out(config: Build, expose: Any) -> None:
    process = (PlatformCollector(registry=None),)
    full = list(VedetteCollector(expose(config()), process).collect())
    series = sum(len(family.samples) for family in full)
    for limit, has_models in ((series, True), (series - 1, False)):
        families = {
            family.name: family
            for family in VedetteCollector(expose(config(limits=Limits(series=limit))), process).collect()
        }
        assert "python_info" in families
        assert ("vedette_queries" in families) == has_models
        [exposed] = families["vedette_series"].samples
        assert exposed.value == sum(len(family.samples) for family in families.values()) <= limit


def test_names_from_outside_cannot_write_on_the_page(config: Build, expose: Any) -> None:
    exposed = expose(config())
    name = 'x"} 1\nvedette_injected 5\n# {a="\\'
    judge(exposed, *[Query("a", model=name, client=name, id=name) for _ in range(20)])
    found = page(exposed)
    assert not any(name.startswith("injected") for name in found)
    assert 'queries_total{model="x___1_vedette_injected_5____a___"}' in found


def test_a_detector_that_does_not_say_what_it_looks_back_on_leaves_the_page_whole(
    config: Build, expose: Any, register: Any
) -> None:
    class Mute(LengthDetector):
        def window_queries(self) -> int:
            raise RuntimeError("no idea")

    register("mute", Mute)
    found = page(expose(config(DetectorConfig(name="mute"), CONFIDENCE)))
    assert 'detector_window_queries{detector="confidence",model="default"}' in found
    assert 'detector_window_queries{detector="mute",model="default"}' not in found


# -- names and formats

#: what is exposed of learned series: tests/exporter/anomalies/test_exposition.py
OF_LEARNED_SERIES = ("anomaly_", "baseline_", "group_anomaly_")


def test_every_family_is_on_a_page_where_everything_has_happened(config: Build, expose: Any, tmp_path: Path) -> None:
    quick = OwnDrift(reference=OwnDriftReference(queries=200, interval=1.0), window=OwnDriftWindow(interval=1.0))
    whole = Model(
        name="m",
        expected_interval=5.0,
        drift=quick,
        thresholds=Thresholds(cost_per_hour=1.0),
        objectives=Objectives(availability=0.9),
    )
    configured = config(models=(whole,))
    exposed = expose(configured, files=Files(), state=tmp_path, http=Connections(configured.limits))
    exposed.journal = Journal(tmp_path / "journal", max_bytes=1 << 20)
    exposed.keeper = Keeper(tmp_path, configured, exposed.pipeline, Duplicates(), exposed.journal)
    exposed.keeper.recover()
    exposed.web_is_good = lambda: True
    exposed.gate = Gate()
    exposed.history = Recorder(configured)
    assert exposed.history.turn()
    exposed.canary.succeeded_at = 1.0
    for second in range(8):
        ids = [f"{second}-{index}" for index in range(200)]
        judge(exposed, *(Query("a", UNSURE, id=name) for name in ids), received=second)
        for name in ids:
            exposed.pipeline.models.of(None).drift.feedback.tell(name, "0", second)
    exposed.pipeline.models.worker.finish()
    exposed.pipeline.models.of(None).suspicion.restart_warm_up()
    attack(exposed)
    exposed.samples, exposed.clock = {"inference": IntakeCounts()}, lambda: 1000.0
    judge(exposed, Query("a", UNSURE, {"time_to_first_token_seconds": 1}, client="c", cost_dollars=1.0))
    for gauge in exposed.pipeline.models.of("m").health.gauges.values():
        gauge.push("a", 0.5, 1000.0)
    shown = {family.name for family in registry(exposed).collect()}
    others = [family for family in FAMILIES if not family.name.startswith(OF_LEARNED_SERIES)]
    assert shown == {PREFIX + family.name.removesuffix("_total") for family in others}


def attack(exposed: Exposed) -> None:
    """What it takes to get a client into alarm."""
    judge(exposed, *[to_query(event) for event in natural(WARM_UP)])
    judge(exposed, *[to_query(event) for event in repeats(12)])


def to_query(event: dict[str, Any]) -> Query:
    return Query(event["input"], event["output"], id=event["id"], client=event["client"])


def test_names_and_labels_keep_to_the_conventions() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
        assert (family.type == "counter") == family.name.endswith("_total")
        assert not FORBIDDEN & set(family.labels)
        assert family.help
        assert not family.help.endswith(".")


def test_the_page_is_valid_openmetrics_with_query_ids_as_exemplars(config: Build, expose: Any) -> None:
    exposed = expose(config())
    judge(exposed, Query("a", UNSURE, id="query-1"), Query("b", SURE), received=5.5)
    families = parse_openmetrics(generate_openmetrics(registry(exposed)).decode())
    exemplars = [
        (sample.labels["le"], sample.exemplar)
        for family in families
        for sample in family.samples
        if sample.exemplar is not None
    ]
    [(bound, exemplar)] = exemplars
    assert (bound, exemplar.labels, exemplar.value) == ("1.0", {"query_id": "query-1"}, 1.0)
    assert float(exemplar.timestamp) == 5.5


@pytest.mark.parametrize("query_id", ["a\0b", 'a"b\\c\nd', "é" * 1024, "} 1 # {", "\r\u2028\x1b[0m", "a b"])
def test_an_exemplar_holds_only_what_every_prometheus_can_read(config: Build, expose: Any, query_id: str) -> None:
    exposed = expose(config())
    judge(exposed, Query("a", UNSURE, id=query_id))
    text = generate_openmetrics(registry(exposed)).decode()
    [label] = re.findall(r'# \{query_id="(.*)"\} ', text)
    assert re.fullmatch(r"[A-Za-z0-9._:/@-]{1,128}", label)
    assert len("query_id" + label) <= 128
    assert list(parse_openmetrics(text))


def test_openmetrics_has_no_created_series(config: Build, expose: Any) -> None:
    assert "_created" not in generate_openmetrics(registry(expose(config()))).decode()


def test_a_page_is_complete_while_queries_are_judged(config: Build, expose: Any) -> None:
    exposed, stop = expose(config()), threading.Event()

    def work() -> None:
        while not stop.is_set():
            judge(exposed, *[Query("a", UNSURE, id="x", model=f"m{n % 3}") for n in range(60)])

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(30):
            found = page(exposed)
            for name, value in found.items():
                if name.startswith("queries_total"):
                    labels = name.removeprefix("queries_total{").removesuffix("}")
                    assert found[f'detection_score_count{{detector="confidence",{labels}}}'] == value
    finally:
        stop.set()
        worker.join(10)
