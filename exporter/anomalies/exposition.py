"""What is known of the learned series as metrics, and once more with the series' own labels."""

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from exporter.anomalies.blocks import READ_REASONS, SKIP_REASONS
from exporter.anomalies.course import Judged
from exporter.anomalies.groups import Member, Place
from exporter.anomalies.learning import described
from exporter.anomalies.log import AnomalyLog
from exporter.anomalies.series import WatchedSeries
from exporter.anomalies.watched import WatchedQuery
from exporter.config.anomalies import DAY
from exporter.labels import label_value
from exporter.metrics.families import FAMILIES, PREFIX
from exporter.metrics.page import Block

#: the gauges of a series, by their names
GAUGES = {
    "anomaly_score": "score",
    "anomaly_value": "value",
    "anomaly_expected": "expected",
    "anomaly_lower": "lower",
    "anomaly_upper": "upper",
}
HELP = {family.name: family.help for family in FAMILIES}
#: names of labels that every Prometheus takes
LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: time over which incidents count against their budget
BUDGET_SECONDS = 7 * DAY


def of_query(query: WatchedQuery, log: AnomalyLog, now: float, odd: Container[Member] = ()) -> Iterator[Block]:
    """The query's own numbers, and the gauges of its series: each whole or not at all on a page that is full.

    odd: members of groups in alarm, whose names are told as well.
    """
    with query.lock:
        yield _of_query(query, log, now)
        block, silence = Block(), query.config.silence_seconds
        for one in query.series.values():
            if one.is_seen(now, silence) and one.last is not None:
                _of_series(block, query.config.name, one, one.last, Member(query.config.name, one.id) in odd)
        yield block


def of_group(name: str, places: Mapping[str, Place], queries: Iterable[WatchedQuery], now: float) -> Block:
    """The worst place of a group, and the members' shares of those in alarm."""
    block = Block()
    silence = max((query.config.silence_seconds for query in queries), default=0.0)
    seen = [place for place in places.values() if abs(now - place.last_time) <= silence and not math.isnan(place.score)]
    if not seen:
        return block
    block.add("group_anomaly_score", max(place.score for place in seen), {"group": name})
    block.add("group_anomaly_incidents_open", sum(place.alarm.is_open for place in seen), {"group": name})
    for place in seen:
        for member, share in place.shares.items() if place.alarm.is_open else ():
            labels = {"group": name, "query": member.query, "series": member.series}
            block.add("group_anomaly_member_ratio", share, labels)
    return block


def of_log(log: AnomalyLog, course_failures: int) -> Block:
    """What could not be written; and how right each component was, by what people said."""
    block = Block()
    block.add("anomaly_log_failures_total", log.failures + course_failures)
    for component, verdicts in sorted(log.verdicts_by_component().items()):
        share = verdicts[True] / (verdicts[True] + verdicts[False])
        block.add("anomaly_component_precision_ratio", share, {"component": component})
    return block


def incidents_of_the_week(query: WatchedQuery, log: AnomalyLog, now: float) -> int:
    """Incidents that the query brought in the last seven days."""
    return log.incidents(query.config.name, now - BUDGET_SECONDS)


def labelled(queries: Iterable[WatchedQuery], now: float) -> Iterator[Metric]:
    """The gauges of the series with the labels that they have where they come from.

    A label `query` or `series` of theirs is called `exported_query` or `exported_series`, as Prometheus would; what is
    no letter, digit or underscore in a name is an underscore.
    """
    families = {name: Metric(PREFIX + name, HELP[name], "gauge") for name in GAUGES}
    for query in queries:
        with query.lock:
            for one in query.series.values():
                if one.is_seen(now, query.config.silence_seconds) and one.last is not None:
                    labels = {**_foreign(one.labels), "query": query.config.name, "series": one.id}
                    for name, value in _gauges(one.last):
                        families[name].samples.append(Sample(PREFIX + name, labels, value))
    return iter([family for family in families.values() if family.samples])


def _of_query(query: WatchedQuery, log: AnomalyLog, now: float) -> Block:
    block, config = Block(), query.config
    labels = {"query": config.name}
    week = incidents_of_the_week(query, log, now)
    numbers: dict[str, float] = {
        "baseline_ready": query.is_ready,
        "anomaly_incidents_open": sum(one.alarm.is_open for one in query.series.values()),
        "anomaly_incidents_total": query.incidents.begun,
        "anomaly_incidents_week": week,
        "anomaly_incidents_budget": config.incidents_per_week,
        "anomaly_muted": week > config.incidents_per_week,
        "anomaly_points_dropped_total": query.dropped,
    }
    if not query.is_warming_up:
        numbers["anomaly_silence_threshold_seconds"] = config.silence_seconds
    if query.is_ready:
        numbers["baseline_age_seconds"] = max(now - query.learned_at, 0.0)
        numbers["baseline_points"] = query.points
        numbers["baseline_training_seconds"] = query.seconds
    if query.shift is not None:
        numbers["baseline_shift_ratio"] = query.shift
    if query.last_point is not None:
        numbers["anomaly_last_point_timestamp_seconds"] = query.last_point
    verdicts = log.verdicts(config.name)
    if verdicts:
        numbers["anomaly_precision_ratio"] = verdicts[True] / (verdicts[True] + verdicts[False])
    for name, value in numbers.items():
        block.add(name, value, labels)
    for reason in SKIP_REASONS:
        block.add("anomaly_points_skipped_total", query.skipped[reason], {**labels, "reason": reason})
    for reason in READ_REASONS:
        block.add("anomaly_read_errors_total", query.errors[reason], {**labels, "reason": reason})
    block.add("anomaly_series", len(query.series), {**labels, "state": "ready"})
    block.add("anomaly_series", len(query.unlearned), {**labels, "state": "warming_up"})
    return block


def _of_series(block: Block, query: str, one: WatchedSeries, last: Judged, is_odd: bool) -> None:
    labels = {"query": query, "series": one.id}
    for name, value in _gauges(last):
        block.add(name, value, labels)
    if one.alarm.is_open or is_odd:
        block.add("anomaly_series_info", 1, {**labels, "name": shown(one.labels)})
    if one.alarm.is_open:
        for component, share in one.shares.items():
            if share > 0:
                block.add("anomaly_component_ratio", share, {**labels, "component": component})


def shown(labels: Mapping[str, str]) -> str:
    """A series as one label value: its labels, in the characters that may reach a notification."""
    return label_value(described(dict(labels)).replace("=", ":").replace(",", "/") or "-")


def _gauges(last: Judged) -> Iterator[tuple[str, float]]:
    """What there is: a point that could not be judged has no score, and one that is no number no value."""
    for name, field in GAUGES.items():
        value = getattr(last, field)
        if not math.isnan(value):
            yield name, value


def _foreign(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels as every Prometheus takes them, none of them twice: one page with a wrong name is lost as a whole."""
    taken: dict[str, str] = {"query": "", "series": ""}
    for name, value in sorted(labels.items(), key=lambda label: (not LEGAL.fullmatch(label[0]), label[0])):
        plain = re.sub(r"^(?=\d)|[^A-Za-z0-9_]", "_", name)
        while plain in taken:
            plain = f"exported_{plain}"
        taken[plain] = value
    return {name: value for name, value in taken.items() if name not in ("query", "series", "__name__")}
