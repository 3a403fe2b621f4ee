"""The past as if it had been watched: learned each day from what was before, and what would have been found."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from exporter.anomalies import events
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import Labels, Points, ReadError, chunks, floor
from exporter.anomalies.contexts import ContextReader
from exporter.anomalies.course import Judged
from exporter.anomalies.events import Event
from exporter.anomalies.groups import Groups, Member
from exporter.anomalies.learning import Source, learn
from exporter.anomalies.log import AnomalyLog
from exporter.anomalies.prometheus import CHUNK_POINTS
from exporter.anomalies.series import ORDINARY
from exporter.anomalies.watched import ContextsOf, WatchedQuery
from exporter.config.anomalies import DAY, LearnedNormal, ResolvedQuery
from exporter.promql import window


class Past:
    """What was read of a query once, to be read again in parts."""

    def __init__(self, series: dict[str, tuple[Labels, Points]]) -> None:
        self._series = series

    def check(self, query: ResolvedQuery, now: float) -> int:
        """How many series there are."""
        return len(self._series)

    def range(
        self, expr: str, start: float, end: float, step: float, name: str, series: int = 1
    ) -> dict[str, tuple[Labels, Points]]:
        """The points from start to end of the series that have any."""
        out = {}
        for identifier, (labels, points) in self._series.items():
            first, last = np.searchsorted(points.times, [start, end + step / 2]).tolist()
            if last > first:
                out[identifier] = (labels, Points(points.times[first:last], points.values[first:last]))
        return out


class Found(NamedTuple):
    """What queries would have found, the oldest first, and why some of them could not be read or learned.

    begun: by query, from when on it was judged, in seconds since 1970: before that its past has too few points.
    """

    anomalies: list[Anomaly]
    errors: dict[str, ReadError]
    begun: dict[str, float]


class _Lived(NamedTuple):
    """A query that is lived through."""

    watched: WatchedQuery
    known: Past
    contexts: ContextsOf


def replay(
    query: ResolvedQuery,
    config: LearnedNormal,
    source: Source,
    days: float,
    now: float,
    progress: Callable[[float], None] = lambda done: None,
    told: Sequence[Event] = (),
) -> list[Anomaly]:
    """What the query would have found in the last days, the oldest first.

    The contexts of the configuration hold as they would have. told: events that hold beside them. progress: told the
    share that is done. A context that cannot be read is left out, and logged as it is live. Raises ReadError, also
    where the past has too few points to learn from.
    """
    found = replay_together([query], config, source, days, now, progress, told)
    for error in found.errors.values():
        raise error
    return found.anomalies


def replay_together(
    queries: Sequence[ResolvedQuery],
    config: LearnedNormal,
    source: Source,
    days: float,
    now: float,
    progress: Callable[[float], None] = lambda done: None,
    told: Sequence[Event] = (),
) -> Found:
    """The same for queries of one step, such as those of a group: its incidents are found as well."""
    log, errors, lived = AnomalyLog(), {}, []
    # on the grid of the first: each one's own lag is kept
    end = floor(now - max(query.lag for query in queries), queries[0].step)
    begin = floor(end - days * DAY, queries[0].step)
    for query in queries:
        try:
            known = _read(query, config, source, begin, end, now)
            names = _contexts(query, config, source, begin, end, told)
        except ReadError as error:
            errors[query.name] = error
            continue
        lived.append(_Lived(WatchedQuery(query, window(query.expr), config.history_step, log.put), known, names))
    groups, failed = Groups(config.group_by, config.severity, log.put), dict[str, ReadError]()
    begun: dict[str, float] = {}
    for first in _days(begin, end):
        last = min(first + DAY, end)
        failed |= _live_through(lived, groups, config, first, last)
        for one in lived:
            if one.watched.is_ready:
                begun.setdefault(one.watched.config.name, first)
        progress((last - begin) / (end - begin))
    errors |= {one.watched.config.name: failed[one.watched.config.name] for one in lived if not one.watched.is_ready}
    return Found(log.newest_first()[::-1], errors, begun)


def _read(query: ResolvedQuery, config: LearnedNormal, source: Source, begin: float, end: float, now: float) -> Past:
    series = source.check(query, now)
    return Past(source.range(query.expr, begin - config.training.window, end, query.step, query.name, series))


def _contexts(
    query: ResolvedQuery,
    config: LearnedNormal,
    source: Source,
    begin: float,
    end: float,
    told: Sequence[Event],
) -> ContextsOf:
    """The contexts of the whole time, to be looked up. Those of expressions go before what was told, as they do live.

    In spans of which each is one request: an event is a series that has no points in most of them.
    """
    reader = ContextReader()
    reader.configure(config.contexts)
    start = floor(begin - config.training.window, query.step)
    spans = [np.empty(0)]
    names = [np.empty(0, dtype=object)]
    for first, last in reversed(list(chunks(start, end, query.step, CHUNK_POINTS))):
        times = np.arange(first, last + query.step / 2, query.step)
        read = reader.read(source, times, query.step)
        spans.append(times)
        names.append(np.where(read == ORDINARY, events.told(told, times), read))
    known = dict(zip(np.concatenate(spans).tolist(), np.concatenate(names).tolist(), strict=True))
    return lambda asked: np.array([known.get(moment, ORDINARY) for moment in asked.tolist()], dtype=object)


def _days(begin: float, end: float) -> Iterator[float]:
    first = begin
    while first < end:
        yield first
        first += DAY


def _live_through(
    lived: Sequence[_Lived], groups: Groups, config: LearnedNormal, first: float, last: float
) -> dict[str, ReadError]:
    """Learn from what was before `first`, and judge up to `last`; returns why some could learn nothing."""
    failed, together = {}, dict[float, dict[Member, Judged]]()
    for watched, known, names in lived:
        error = _learn(watched, known, names, config, first)
        if error is not None:
            failed[watched.config.name] = error
        for identifier, point in _judge(watched, known, names, last):
            together.setdefault(point.time, {})[Member(watched.config.name, identifier)] = point
    group = lived[0].watched.config.group if lived else None
    if group is not None:
        groups.learn(group)
        for moment in sorted(together):
            groups.take(group, [one.watched for one in lived], moment, together[moment])
    return failed


def _learn(
    watched: WatchedQuery, known: Past, names: ContextsOf, config: LearnedNormal, first: float
) -> ReadError | None:
    query, past = watched.config, config.training.window
    try:
        watched.swap(learn(query, known, first + query.lag, past, watched.window, names, lambda series: ()), first)
    except ReadError as error:
        return error
    return None


def _judge(watched: WatchedQuery, known: Past, names: ContextsOf, last: float) -> list[tuple[str, Judged]]:
    query = watched.config
    if not watched.is_ready or watched.read_until is None:
        return []
    block = known.range(query.expr, watched.read_until + query.step, last, query.step, query.name)
    return watched.take(block, last, names, live=True)
