"""`vedette anomalies replay`: what the queries of the configuration would have found, before anything is enabled."""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import Points, ReadError, floor
from exporter.anomalies.learning import Source, described
from exporter.anomalies.prometheus import Prometheus
from exporter.anomalies.replay import replay as replayed
from exporter.anomalies.service import expanded
from exporter.commands import Failure
from exporter.commands.check import read_config
from exporter.learned_config import DAY, WEEK, AnomalyQuery, LearnedNormal, ResolvedQuery
from exporter.promql import ExpressionError, check


def replay(options: argparse.Namespace) -> None:
    """Print one line an incident, by query, and how many that is a week. Raises Failure when no query can be read."""
    config = read_config(options.config_file).anomalies
    source = prometheus_of(config)
    queries = [config.resolved(query) for query in expanded(config) if options.query in (None, query.name)]
    queries = [query for query in queries if not _is_own(query, config)]
    if not queries:
        raise Failure("no query to replay: expected anomalies.queries or anomalies.presets in the configuration")
    failed = 0
    for query in queries:
        try:
            _show(query, replayed(query, config, source, options.days, time.time(), _bar(query.name)), options)
        except ReadError as error:
            failed += 1
            print(error, file=sys.stderr)
    if failed == len(queries):
        raise Failure("none of the queries could be read")


def prometheus_of(config: LearnedNormal) -> Source:
    """The Prometheus of the configuration. Raises Failure without one."""
    if config.prometheus is None:
        raise Failure("no Prometheus to read: expected anomalies.prometheus.url in the configuration")
    return Prometheus(config.prometheus)


def past_of(config: LearnedNormal, expr: str, days: float, step: float) -> Points:
    """The one series of an expression. Raises ReadError, Failure, also where there are several series."""
    query = config.resolved(AnomalyQuery(name="--expr", expr=expr, step=step))
    source = prometheus_of(config)
    try:
        check(expr)
    except ExpressionError as error:
        raise Failure(f"--expr: {error}") from None
    now = time.time()
    count = source.check(query, now)
    if count > 1:
        raise Failure(f"--expr: {count} series, expected one: aggregate them, or select one by its labels")
    end = floor(now - query.lag, step)
    found = source.range(expr, floor(end - days * DAY, step) + step, end, step, query.name)
    [(_, points)] = found.values()
    return points


def _is_own(query: ResolvedQuery, config: LearnedNormal) -> bool:
    from exporter.anomalies.own import QUERIES

    return config.own and query.expr in QUERIES


def _show(query: ResolvedQuery, found: list[Anomaly], options: argparse.Namespace) -> None:
    if options.json:
        for one in found:
            print(msgspec.json.encode(one).decode())
        return
    week = len(found) * WEEK / (options.days * DAY)
    budget = f", over its budget of {query.incidents_per_week}" if week > query.incidents_per_week else ""
    print(f"{query.name}: {len(found)} incidents in {options.days:g} days, {week:.1f} a week{budget}")
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
