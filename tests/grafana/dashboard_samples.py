"""Half an hour of an exporter's metrics, written down beforehand: two busy models, an idle one, two instances."""

import itertools
from collections.abc import Iterator

from tests.grafana.metric_catalogue import COUNTERS, GAUGES, HISTOGRAMS, PROMETHEUS

START, END, STEP = 1_700_000_000, 1_700_001_800, 15
TARGETS = ({"job": "vedette", "instance": "10.0.0.1:10833"}, {"job": "vedette", "instance": "10.0.0.2:10833"})
#: queries a second on each instance; the names hold what has a meaning in a regular expression
RATES = {"team/chat-7b.v2": 10.0, "fraud": 4.0, "vision": 0.0}
IDLE = "vision"
FLAGGED = {"confidence": 0.01, "repetition": 0.3}

VALUES = {
    "model": tuple(RATES),
    "detector": tuple(FLAGGED),
    "source": ("http", "drop_directory"),
    "reason": ("no_probabilities", "invalid"),
    "level": ("warning", "critical", "watch", "alarm", "severe"),
    "label": ("model", "client"),
    "version": ("1",),
    "modality": ("text",),
    "stage": ("prod",),
    "direction": ("input", "output"),
    "resource": ("gpu_memory", "cpu_usage"),
    "slo": ("availability", "latency"),
    "client": ("key-1", "key-2"),
    "url": ("http://localhost:10833",),
    "grafana_url": ("http://localhost:3000",),
    "alertname": ("VedetteFlaggedShareHigh",),
    "alertstate": ("firing",),
    "severity": ("warning",),
    "category": ("attack",),
    "family": ("variants", "uncertainty"),
    "result": ("tested",),
    "feature": ("amount",),
    "method": ("ks", "psi"),
    "kind": ("flagged_queries",),
    "reference_version": ("1",),
    "accounts": ("none", "one", "several"),
    "query": ("node_cpu", "checkout"),
    "series": ("0123456789abcdef", "fedcba9876543210"),
    "component": ("value", "hour"),
    "state": ("drifted", "tested", "ready", "warming_up"),
    "group": ("node",),
    "name": ("instance:a",),
}
GAUGE_VALUES = {
    "vedette_flagged_threshold_ratio": 0.2,
    "vedette_queue_capacity_queries": 50_000,
    "vedette_model_objective_ratio": 0.99,
    "vedette_last_query_timestamp_seconds": END - 60,
    "vedette_canary_last_success_timestamp_seconds": END - 10,
    "ALERTS_FOR_STATE": START,
}
#: share of the queries up to each bucket's bound
BUCKETS = {"0.5": 0.5, "0.9": 0.9, "+Inf": 1.0}
#: one for each query
WHOLE = {
    "vedette_queries_total",
    "vedette_detector_judgements_total",
    "vedette_inferences_total",
    "vedette_slo_events_total",
}
#: that many of 1,000 queries are skipped, fail, are rejected or come twice
RARE = 0.001


def series(labels: set[str]) -> Iterator[dict[str, str]]:
    """Every combination of values of these labels, on every instance."""
    for target in TARGETS:
        for values in itertools.product(*(VALUES[label] for label in sorted(labels))):
            yield target | dict(zip(sorted(labels), values, strict=True))


def per_second(name: str, labels: dict[str, str]) -> float:
    """How fast a counter grows."""
    queries = RATES[labels["model"]] if "model" in labels else sum(RATES.values())
    if name == "vedette_detector_flags_total":
        return queries * FLAGGED[labels["detector"]]
    if name == "vedette_suspicious_queries_total":
        return queries * max(FLAGGED.values())
    if name in WHOLE:
        return queries
    return queries * RARE


def exposition() -> str:
    """All of it as OpenMetrics with times."""
    return "".join(itertools.chain(_counters(), _histograms(), _gauges(), ("# EOF\n",)))


def _counters() -> Iterator[str]:
    for name, own in COUNTERS.items():
        for labels in series(own):
            speed = per_second(name, labels)
            yield from _lines(name, labels, (speed * (time - START) for time in _times()))


def _histograms() -> Iterator[str]:
    for name, own in HISTOGRAMS.items():
        for labels in series(own):
            speed = RATES[labels["model"]] if "model" in labels else sum(RATES.values())
            for bound, part in BUCKETS.items():
                counts = (part * speed * (time - START) for time in _times())
                yield from _lines(f"{name}_bucket", labels | {"le": bound}, counts)


def _gauges() -> Iterator[str]:
    for name, own in (GAUGES | PROMETHEUS).items():
        for labels in series(own):
            idle = labels.get("model") == IDLE
            if idle and name in ("vedette_last_query_timestamp_seconds", *PROMETHEUS):
                continue
            yield from _lines(name, labels, itertools.repeat(GAUGE_VALUES.get(name, 1)))


def _times() -> range:
    return range(START, END + 1, STEP)


def _lines(name: str, labels: dict[str, str], values: Iterator[float]) -> Iterator[str]:
    written = ",".join(f'{label}="{value}"' for label, value in labels.items())
    for time, value in zip(_times(), values, strict=False):
        yield f"{name}{{{written}}} {value} {time}\n"
