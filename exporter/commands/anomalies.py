"""`vedette anomalies replay`: what the queries of the configuration would have found, before anything is enabled."""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import Points, floor
from exporter.anomalies.events import Event, kept
from exporter.anomalies.groups import PREFIX
from exporter.anomalies.learning import Source, described
from exporter.anomalies.prometheus import Prometheus
from exporter.anomalies.replay import replay_together
from exporter.anomalies.service import expanded
from exporter.commands import Failure
from exporter.commands.check import read_config
from exporter.commands.span import Span, span_of
from exporter.config.anomalies import DAY, STEP_SECONDS, WEEK, AnomalyQuery, LearnedNormal, ResolvedQuery
from exporter.formats.native import BROKEN


def replay(options: argparse.Namespace) -> None:
    """Print one line an incident, by query, and how many that is a week. Raises Failure when no query can be read."""
    whole = read_config(options.config_file)  # each query says itself what is wrong with its expression
    config, told = whole.anomalies, _told(whole.storage.path)
    source = prometheus_of(config)
    names = [query.name for query in expanded(config)]
    if names and options.query is not None and options.query not in names:
        raise Failure(f"no query of the name {options.query}: there are {', '.join(names)}")
    queries = [config.resolved(query) for query in expanded(config) if options.query in (None, query.name)]
    queries = [query for query in queries if not _is_own(query, config)]
    if not queries:
        raise Failure("no query to replay: expected anomalies.queries or anomalies.presets in the configuration")
    failed = 0
    for together in _parted(queries, options.query is not None):
        label = together[0].group if len(together) > 1 else together[0].name
        lag = max(query.lag for query in together)
        span = span_of(options, time.time() - lag)
        found = replay_together(together, config, source, span.days, span.end + lag, _bar(label or ""), told)
        failed += len(found.errors)
        for query in together:
            if error := found.errors.get(query.name):
                print(error, file=sys.stderr)
            else:
                judged = span._replace(start=found.begun.get(query.name, span.start))
                _tell_of_the_past(query.name, judged, span)
                _show(query.name, query.incidents_per_week, found.anomalies, judged.days, options.json)
        if len(together) > 1:
            judged = span._replace(start=max(found.begun.values(), default=span.start))
            _show(f"{PREFIX}{together[0].group}", None, found.anomalies, judged.days, options.json)
    if failed == len(queries):
        raise Failure("none of the queries could be read")


def _tell_of_the_past(name: str, judged: Span, asked: Span) -> None:
    """Say that days are missing: few incidents in them mean nothing."""
    if judged.start - asked.start >= DAY / 2:
        since = datetime.fromtimestamp(judged.start, UTC).strftime("%Y-%m-%d %H:%M")
        print(f"{name}: judged from {since} on: before that, too few points to learn from", file=sys.stderr)


def _told(state: str) -> list[Event]:
    """The events that a running exporter was told of, where its state can be read."""
    try:
        return kept(Path(state) / "anomalies" / "events.json")
    except (OSError, *BROKEN) as error:
        print(f"without the events that were told: {state} cannot be read: {error}", file=sys.stderr)
        return []


def _parted(queries: list[ResolvedQuery], are_single: bool) -> list[list[ResolvedQuery]]:
    """Those of a group together, each other one by itself, in the order of the first of each."""
    parts: dict[tuple[str, bool], list[ResolvedQuery]] = {}
    for query in queries:
        is_alone = are_single or query.group is None
        parts.setdefault((query.name if is_alone else query.group or "", is_alone), []).append(query)
    return list(parts.values())


def prometheus_of(config: LearnedNormal) -> Source:
    """The Prometheus of the configuration. Raises Failure without one."""
    if config.prometheus is None:
        raise Failure("no Prometheus to read: expected anomalies.prometheus.url in the configuration")
    return Prometheus(config.prometheus)


def past_of(config: LearnedNormal, options: argparse.Namespace) -> Points:
    """The one series of an expression. Raises ReadError, Failure, also where there are several series."""
    step = options.step or STEP_SECONDS
    query = config.resolved(AnomalyQuery(name="--expr", expr=options.expr, step=step))
    source = prometheus_of(config)
    span = span_of(options, time.time() - query.lag)
    count = source.check(query, span.end)
    if count > 1:
        raise Failure(f"--expr: {count} series, expected one: aggregate them, or select one by its labels")
    found = source.range(query.expr, -floor(-span.start, step), floor(span.end, step), step, query.name)
    [(_, points)] = found.values()
    return points


def _is_own(query: ResolvedQuery, config: LearnedNormal) -> bool:
    from exporter.anomalies.own import QUERIES

    return config.own and query.expr in QUERIES


def _show(name: str, budget: int | None, anomalies: list[Anomaly], days: float, as_json: bool) -> None:
    """The incidents of a query or of a group, which has no budget."""
    found = [one for one in anomalies if one.metric == name]
    if as_json:
        for one in found:
            print(msgspec.json.encode(one).decode())
        return
    week = len(found) * WEEK / (days * DAY)
    over = f", over its budget of {budget}" if budget is not None and week > budget else ""
    print(f"{name}: {len(found)} incidents in {round(days, 2):g} days, {week:.1f} a week{over}")
    for one in found:
        begin = datetime.fromtimestamp(one.time, UTC).strftime("%Y-%m-%d %H:%M")
        lasted = "open" if one.ended_at is None else f"{(one.ended_at - one.time) / 60:.0f}m"
        what = described(one.labels) or "-"
        print(f"  {begin} {lasted:>6} {one.severity:<8} {one.score:6.2f}  {what}: {one.explanation['sentence']}")


def _bar(name: str) -> Callable[[float], None]:
    """How far it is, on a terminal."""

    def show(done: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{name} {done:4.0%}", end="" if done < 1 else "\r", file=sys.stderr, flush=True)

    return show
