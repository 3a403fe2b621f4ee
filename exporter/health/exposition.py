"""What is exposed of the health of one model: metric names without the prefix, values and labels."""

from collections.abc import Callable, Iterator

from prometheus_client.utils import floatToGoString

from exporter.health.failures import REASONS
from exporter.health.inferences import BUCKETS, RESOURCES, SLOS, Inferences

#: of its histograms, as they stand in `le`
BOUNDS = tuple(floatToGoString(bound) for bound in (*BUCKETS, float("inf")))
#: what may read and write tokens
WITH_TOKENS = ("text", "auto")
Line = tuple[str, float, dict[str, str]]


def lines(health: Inferences, modality: str, now: float) -> list[Line]:
    """The samples of one model, without its own label; its histograms are its own. now: seconds since 1970."""
    return [*_counts(health, modality), *_gauges(health, now), *_bounds(health)]


def top(health: Inferences, now: float, shown: Callable[[str], str]) -> list[Line]:
    """The clients that ask most and cost most. shown: a client as a label value. now: in the model's time."""
    found: list[Line] = []
    for name, heaviest in (("top_client_queries", health.busiest), ("top_client_cost_dollars", health.dearest)):
        by_name: dict[str, float] = {}
        for client, amount in heaviest.top(now):  # two clients may be shown under one name
            by_name[shown(client)] = by_name.get(shown(client), 0.0) + amount
        found += [(name, amount, {"client": client}) for client, amount in by_name.items()]
    return found


def _counts(health: Inferences, modality: str) -> Iterator[Line]:
    yield "inferences_total", health.inferences, {}
    for reason in REASONS:
        yield "inference_failures_total", health.failures[reason], {"reason": reason}
    if modality in WITH_TOKENS or health.input_tokens or health.output_tokens:
        yield "tokens_total", health.input_tokens, {"direction": "input"}
        yield "tokens_total", health.output_tokens, {"direction": "output"}
    yield "cost_dollars_total", health.dollars, {}


def _gauges(health: Inferences, now: float) -> Iterator[Line]:
    for resource in RESOURCES:
        value = health.gauges[resource].value(now)
        if value is not None:
            yield "resource_utilization_ratio", value, {"resource": resource}
    for name, metric in (("error_rate", "pushed_error_ratio"), ("throughput", "pushed_throughput_per_second")):
        value = health.gauges[name].value(now)
        if value is not None:
            yield metric, value, {}


def _bounds(health: Inferences) -> Iterator[Line]:
    """Thresholds, objectives and what is counted against them."""
    limits = health.thresholds
    if limits is not None:
        yield "model_latency_threshold_seconds", limits.latency, {}
        yield "slow_inferences_total", health.slo_bad["latency"], {}
        yield "model_error_threshold_ratio", limits.error_rate, {}
        for resource in RESOURCES:
            yield "model_resource_threshold_ratio", getattr(limits, resource), {"resource": resource}
        if limits.cost_per_hour is not None:
            yield "model_cost_threshold_dollars", limits.cost_per_hour, {}
    for slo in SLOS:
        objective = getattr(health.objectives, slo)
        if objective is not None:
            yield "model_objective_ratio", objective, {"slo": slo}
            yield "slo_events_total", health.slo_events[slo], {"slo": slo}
            yield "slo_bad_events_total", health.slo_bad[slo], {"slo": slo}
