"""What `/metrics` shows of one model."""

import re
from typing import Any

import pytest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from detectors import Query
from exporter.config import AlertShare, Config, Defaults, DetectorConfig, Limits, Model
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE, Clock, LengthDetector
from tests.exporter.metrics.conftest import Build, attack, judge, page, registry, to_query
from tests.exporter.traffic import WARM_UP, natural, repeats


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


@pytest.mark.parametrize(
    ("version", "shown"),
    [("", ""), ("2026.1", "2026.1"), ("<script>", "_script_"), ("a\n\0b", "a__b"), ("v" * 200, "v" * 128)],
)
def test_the_version_of_a_model_is_shown_in_characters_that_are_safe_in_messages(
    config: Build, expose: Any, version: str, shown: str
) -> None:
    found = page(expose(config(models=(Model(name="a", version=version),))))
    assert found[f'model_info{{modality="auto",model="a",stage="",version="{shown}"}}'] == 1


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


@pytest.mark.parametrize("query_id", ["a\0b", 'a"b\\c\nd', "é" * 1024, "} 1 # {", "\r\u2028\x1b[0m", "a b"])
def test_an_exemplar_holds_only_what_every_prometheus_can_read(config: Build, expose: Any, query_id: str) -> None:
    exposed = expose(config())
    judge(exposed, Query("a", UNSURE, id=query_id))
    text = generate_openmetrics(registry(exposed)).decode()
    [label] = re.findall(r'# \{query_id="(.*)"\} ', text)
    assert re.fullmatch(r"[A-Za-z0-9._:/@-]{1,128}", label)
    assert len("query_id" + label) <= 128
    assert list(parse_openmetrics(text))


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
