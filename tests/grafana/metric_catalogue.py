"""Every metric that the exporter exposes, with its own labels; `_bucket` and its like belong to a histogram."""

from exporter.metrics.families import FAMILIES, PREFIX


def of_type(kind: str) -> dict[str, set[str]]:
    """{full name: labels} of the program's metrics of a type."""
    return {PREFIX + family.name: set(family.labels) for family in FAMILIES if family.type == kind}


COUNTERS, HISTOGRAMS, GAUGES = of_type("counter"), of_type("histogram"), of_type("gauge")
#: what Prometheus itself adds to the picture
PROMETHEUS = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity", "category", "model", "detector", "client", "query"},
    "ALERTS_FOR_STATE": {"alertname", "severity", "category", "model", "detector", "client", "query"},
}
TARGET_LABELS = {"job", "instance"}


def labels_by_series_name() -> dict[str, set[str]]:
    """{name as it stands in an expression: labels that it may have}."""
    known = COUNTERS | GAUGES | PROMETHEUS
    for name, labels in HISTOGRAMS.items():
        known |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    return {name: labels | TARGET_LABELS for name, labels in known.items()}
