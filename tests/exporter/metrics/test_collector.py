"""The page as a whole: what is on it from the start, what leaves it, and its format."""

import re
import threading
from typing import Any

from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from detectors import Query
from exporter.config import Model
from exporter.drift.judge import WINDOW_RESULTS
from exporter.formats import REJECTION_CODES
from exporter.health.failures import REASONS as FAILURES
from exporter.tally import ERROR_REASONS, SKIP_REASONS
from tests.exporter.conftest import SURE, UNSURE, Clock
from tests.exporter.metrics.conftest import Build, judge, page, registry


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
    for name in ("queries", "suspicious_queries", "queries_without_client", "queries_id_reused", "queries_of_future"):
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


def test_a_model_that_was_forgotten_is_off_the_page(config: Build, expose: Any, clock: Clock) -> None:
    exposed = expose(config())
    judge(exposed, *[Query("a", model="earned") for _ in range(20)], received=clock.now)
    assert 'queries_total{model="earned"}' in page(exposed)
    clock.now += 90_000
    judge(exposed, Query("a"), received=clock.now)
    assert not any('model="earned"' in name for name in page(exposed))


def test_names_from_outside_cannot_write_on_the_page(config: Build, expose: Any) -> None:
    exposed = expose(config())
    name = 'x"} 1\nvedette_injected 5\n# {a="\\'
    judge(exposed, *[Query("a", model=name, client=name, id=name) for _ in range(20)])
    found = page(exposed)
    assert not any(name.startswith("injected") for name in found)
    assert 'queries_total{model="x___1_vedette_injected_5____a___"}' in found


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
