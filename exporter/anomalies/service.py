"""Learned normal at work: one thread reads and judges, another one learns, one query at a time.

`tick` and `train_due` are what the threads do again and again; both take the time, so that nothing waits in a test.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from prometheus_client.core import Metric

from exporter.anomalies import exposition, own
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import ReadError, floor, unlearnable
from exporter.anomalies.course import CourseFiles, Judged
from exporter.anomalies.groups import PREFIX, Groups, Member
from exporter.anomalies.incidents import over
from exporter.anomalies.kept import Kept, Unusable
from exporter.anomalies.learning import Source, Stopped, learn
from exporter.anomalies.log import AnomalyLog
from exporter.anomalies.presets import PRESETS
from exporter.anomalies.schedule import Turns, last_due, spread
from exporter.anomalies.sources import Sources
from exporter.anomalies.watched import VANISHED_STEPS, ContextsOf, Trained, WatchedQuery
from exporter.anomalies.watched import Block as Read
from exporter.config.anomalies import STEP_SECONDS, AnomalyQuery, LearnedNormal, ResolvedQuery
from exporter.metrics.page import Block
from exporter.promql import window

log = logging.getLogger(__name__)
#: seconds between two looks at what is due
LOOK_SECONDS = 1.0
#: times for which a group waits until all of its queries are read
PENDING_TIMES = 30


class AnomalyService:
    """Everything about learned series. collect: the families of the program's own page. source: what is read."""

    def __init__(
        self,
        config: LearnedNormal,
        state: Path,
        collect: Callable[[], Iterable[Metric]] = tuple,
        source: Source | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._folder = state / "anomalies"
        self.log = AnomalyLog(self._folder / "anomalies.ndjson")
        self._courses = CourseFiles(self._folder / "courses")
        self.sources = Sources(self._folder, collect, source)
        self.queries: dict[str, WatchedQuery] = {}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._next_read: dict[str, float] = {}
        self._looked_at = -math.inf
        self._turns = Turns()
        self._pending: dict[str, dict[float, dict[Member, Judged]]] = {}
        self._groups = Groups(config.group_by, config.severity, lambda anomaly: self.log.put(anomaly))
        self.configure(config)

    def configure(self, config: LearnedNormal) -> None:
        """Take a configuration; queries that are the same go on with what they know."""
        self.config = config
        self._kept = Kept(self._folder / "baselines", config.training.versions)
        self.sources.configure(config)
        before, queries = self.queries, {}
        written = {query.name for query in config.queries}
        for query in expanded(config):
            resolved = config.resolved(query)
            old = before.get(resolved.name)
            queries[resolved.name] = watched = old if old and old.config == resolved else self._new(resolved)
            watched.is_optional, watched.history_step = resolved.name not in written, config.history_step
        self.queries = queries
        for name, old in before.items():
            if queries.get(name) is not old:
                self._let_go(old)
        self._groups.configure(config.group_by, config.severity, {query.config.group for query in queries.values()})

    def _let_go(self, query: WatchedQuery) -> None:
        """End what is known of a query that is gone, or is another one now: that one waits for nothing."""
        self._next_read.pop(query.config.name, None)
        self._turns.forget(query.config.name)
        query.end()

    def _new(self, query: ResolvedQuery) -> WatchedQuery:
        # one that cannot be learned says so when its turn comes
        looks_back = 0.0 if unlearnable(query.expr, query.name) else window(query.expr)
        return WatchedQuery(query, looks_back, self.config.history_step, lambda anomaly: self.log.put(anomaly))

    # -- the threads

    def start(self) -> None:
        """Read what was learned before, then judge and learn; nothing to do without queries."""
        if not self.queries or self._threads:
            return
        for name, work in (("anomalies", self._read_on), ("learning", self._learn_on)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout: float) -> bool:
        """End; whether both threads did so in time."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout / 2)
        if self.config.own:
            self.sources.own.save()
        self._write_courses(at_end=True)
        self.sources.close()
        return not any(thread.is_alive() for thread in self._threads)

    def _read_on(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self._survive(lambda: self.tick(self._clock()))

    def _learn_on(self) -> None:
        self._survive(self.restore)
        while not self._stopping.wait(LOOK_SECONDS):
            self._survive(lambda: self.train_due(self._clock()))

    def _survive(self, work: Callable[[], object]) -> None:
        """A fault of ours ends one round and not the thread; what stays away then is alerted on as blind or stale."""
        try:
            work()
        except Exception:
            log.exception("a round of the learned series has failed")

    # -- reading and judging

    def tick(self, now: float) -> None:
        """Read and judge what is due. When one query cannot reach the server, the others of the round do not try."""
        if now < self._looked_at - STEP_SECONDS:
            self._rewind(now)
        self._looked_at = now
        if self.config.own:
            self.sources.own.sample(now)
        away = ""  # why, in words
        for name, query in list(self.queries.items()):
            if now < self._next_read.get(name, 0.0):
                continue
            interval = query.config.interval
            turn = floor(now - spread(name, interval), interval) + spread(name, interval)
            self._next_read[name] = turn + interval
            if away and query.is_ready and not self.sources.is_own(query.config):
                self._failed(query, ReadError("unreachable", f"{name}: {away}"))
                continue
            error = self.read(query, now)
            if error is not None and error.reason == "unreachable":
                away = str(error).removeprefix(f"{name}: ")
        self._judge_groups()
        self._write_courses()

    def _rewind(self, now: float) -> None:
        """The clock was set back: what it was ahead was read before there were points."""
        self._next_read.clear()
        for query in self.queries.values():
            latest = floor(now - query.config.lag, query.config.step)
            if query.last_point is not None and not self.sources.is_own(query.config):
                latest = query.last_point  # by the server's clock, whichever of the two is right
            query.rewind(latest)

    def _write_courses(self, at_end: bool = False) -> None:
        """Write the steps that have ended, and until when each query was judged; at the end, every step."""
        wrote = False
        for name, query in self.queries.items():
            with query.lock:
                points, query.unwritten = query.unwritten, []
                for one in query.series.values() if at_end else ():
                    if one.course.open_point is not None:
                        points.append((one.id, one.course.open_point))
                if points:
                    self._courses.append(name, points, {one.id: one.course for one in query.series.values()})
                    wrote = True
        if wrote:
            self._courses.write_until({name: one.judged_until for name, one in self.queries.items() if one.is_ready})

    def read(self, query: WatchedQuery, now: float) -> ReadError | None:
        """Read a query from its last point on, and judge that; why that failed. The next round catches up."""
        config = query.config
        since, end = query.read_until, floor(now - config.lag, config.step)
        if since is None or end <= since:
            return None
        start = max(since + config.step, end - self.config.training.window)
        try:
            source, steps = self.sources.of(config, live=True), np.arange(start, end + config.step / 2, config.step)
            names = self.sources.contexts_of(steps, config, source, now)
            found = source.range(config.expr, start, end, config.step, config.name, len(query.series))
        except ReadError as error:
            self._failed(query, error)
            return error
        self._judge(query, found, names, since, end)
        return None

    def _judge(self, query: WatchedQuery, found: Read, names: ContextsOf, since: float, end: float) -> None:
        """Judge what was read after `since` up to `end`, and keep the points of groups until all are there."""
        config = query.config
        with query.lock:
            if self.queries.get(config.name) is not query:  # the configuration has changed meanwhile
                return
            if query.read_until != since:  # it has learned meanwhile, and is to be read from an earlier point on
                self._next_read[config.name] = 0.0
                return
            query.error = None
            # what was read before and is only taught to new baselines is no pause
            live = end - query.judged_until <= max(config.step, config.interval) + config.step
            judged = query.take(found, end, names, live)
        if config.group and not live:
            self._groups.caught_up(config.group, end)
        for identifier, point in judged if config.group else ():
            times = self._pending.setdefault(config.group or "", {})
            times.setdefault(point.time, {})[Member(config.name, identifier)] = point

    def _failed(self, query: WatchedQuery, error: ReadError) -> None:
        with query.lock:
            query.errors[error.reason] += 1
            is_new, query.error = str(query.error) != str(error), error
        if is_new:
            level = logging.INFO if query.is_warming_up else logging.WARNING
            log.log(level, "a query cannot be read", extra={"query": query.config.name, "reason": str(error)})

    def _judge_groups(self) -> None:
        """Judge the times at which all queries of a group have been read."""
        for group, times in self._pending.items():
            members = self.members(group)
            read_until = min((query.judged_until for query in members if query.is_ready), default=0.0)
            for moment in sorted(at for at in times if at <= read_until):
                self._groups.take(group, members, moment, times.pop(moment))
            silence = VANISHED_STEPS * max((query.config.step for query in members), default=0.0)
            self._groups.end_vanished(group, read_until, silence)
            for moment in sorted(times)[:-PENDING_TIMES]:  # a query of the group cannot be read
                del times[moment]
            for query in members:
                for one in query.in_incident:
                    moved = self._groups.moved_with(group, Member(query.config.name, one.id))
                    query.explain_with(one.id, [f"{other.query}/{other.series}" for other in moved])

    def members(self, group: str) -> list[WatchedQuery]:
        """The queries of a group."""
        return [query for query in self.queries.values() if query.config.group == group]

    # -- learning

    def restore(self) -> None:
        """Go on with the versions that were in use, and with what was judged by them."""
        until = self._courses.until()
        groups = {f"{PREFIX}{query.config.group}" for query in self.queries.values() if query.config.group}
        for one in self.log.lasting():
            if one.metric in groups:
                self._groups.resume(one)
        for name, query in self.queries.items():
            if not query.is_ready and (trained := self._kept.current(query.config)):
                chosen = self._kept.chosen(name)
                if chosen is not None and chosen.version == trained.version:
                    self._turns.rolled_back(name, chosen.at)
                with query.lock:
                    query.swap(trained, self._clock())
                    query.remember(self._courses.read(name), until.get(name, -math.inf), self.log.lasting(name))
                    # a clock that was ahead may have been set back meanwhile
                    query.rewind(floor(self._clock() - query.config.lag, query.config.step))
        for one in self.log.lasting():
            is_ready = one.metric in self.queries and self.queries[one.metric].is_ready
            if not is_ready and one.metric not in groups:
                self.log.put(over(one))

    def train(self, name: str) -> bool:
        """Have a query learned anew, soon; whether there is such a query."""
        if name not in self.queries:
            return False
        self._turns.request(name)
        return True

    def train_due(self, now: float) -> str | None:
        """Learn one query whose turn it is; its name, or None."""
        for name, query in list(self.queries.items()):
            if self._is_due(query, now):
                self._turns.begin(name)
                self._train(query, now)
                return name
        return None

    def _is_due(self, query: WatchedQuery, now: float) -> bool:
        name = query.config.name
        last_turn = last_due(name, self.config.training, self.config.time_zone, now)
        with query.lock:
            is_ripe = query.is_ripe
        return self._turns.is_due(name, query.learned_at if query.is_ready else None, last_turn, is_ripe, now)

    def _train(self, query: WatchedQuery, now: float) -> None:
        name = query.config.name
        try:
            trained = self._learned(query, self.sources.of(query.config), now)
        except ReadError as error:
            self._failed(query, error)
            self._turns.failed(name, now)
            return
        except Stopped:
            return
        except Exception as error:  # a fault of ours: the other queries have their turn all the same
            log.exception("a query could not be learned", extra={"query": name})
            self._failed(query, ReadError("internal", f"{name}: a fault of ours, see the log: {error!r}"))
            self._turns.failed(name, now)
            return
        query.error = None
        kept_some = query.swap(trained, now)
        self._turns.learned(name, now, all_of_it=not kept_some)
        self._save(query, trained)
        if query.config.group:
            self._groups.learn(query.config.group)

    def _learned(self, query: WatchedQuery, source: Source, now: float) -> Trained:
        config, past = query.config, self.config.training.window
        end = floor(now - config.lag, config.step)
        grid = np.arange(floor(end - past, config.step) + config.step, end + config.step / 2, config.step)
        names = self.sources.contexts_of(grid, config, source, None)

        def not_normal(series: str) -> list:
            return self.log.not_normal(config.name, series)

        return learn(config, source, now, past, query.window, names, not_normal, self._pause)

    def _pause(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _save(self, query: WatchedQuery, trained: Trained) -> None:
        try:
            self._kept.save(query.config, trained)
        except OSError as error:
            log.error(
                "a baseline was not written", extra={"query": query.config.name, "reason": error.strerror or str(error)}
            )

    def versions(self, name: str) -> list[str]:
        """The versions of a query that are kept, the newest last."""
        return self._kept.versions(name)

    def roll_back(self, name: str, version: str) -> None:
        """Judge by an older version until the next learning, over restarts too.

        Raises KeyError, and Unusable with the reason.
        """
        query = self.queries[name]
        if version not in self.versions(name):
            raise Unusable(f"no version {version}; there are {', '.join(self.versions(name)) or 'none'}")
        query.swap(self._kept.load(query.config, version), self._clock())
        self._turns.rolled_back(name, self._clock())
        try:
            self._kept.choose(name, version, self._clock())
        except OSError as error:
            reason = error.strerror or str(error)
            log.error("a version that was gone back to holds until a restart", extra={"query": name, "reason": reason})

    # -- what people say

    def confirm(self, incident: str, confirmed: bool, by: str | None) -> Anomaly | None:
        """Note what people said of an incident, and end it when they said that it is none; None if it is unknown."""
        found = self.log.confirm(incident, confirmed, by, self._clock())
        if found is not None and not confirmed:
            if query := self.queries.get(found.metric):
                query.dismiss(incident)
            self._groups.dismiss(found.metric.removeprefix(PREFIX), incident)
        return self.log.get(incident)

    # -- for whoever looks

    def now(self) -> float:
        """The time by its clock."""
        return self._clock()

    def blocks(self) -> Iterator[Block]:
        """What it exposes."""
        now = self._clock()
        queries, odd = list(self.queries.values()), self._groups.odd()
        for query in queries:
            yield from exposition.of_query(query, self.log, now, odd)
        for group in dict.fromkeys(query.config.group for query in queries):
            if group is not None:
                yield exposition.of_group(group, self._groups.places(group), self.members(group), now)
        if queries:
            yield self.sources.contexts.block()
            yield exposition.of_log(self.log, self._courses.failures)

    def labelled(self) -> Iterator[Metric]:
        """The series with their own labels."""
        return exposition.labelled(self.queries.values(), self._clock())

    def places(self, group: str) -> dict[str, float]:
        """The score of each place of a group."""
        return {value: place.score for value, place in self._groups.places(group).items()}


def expanded(config: LearnedNormal) -> list[AnomalyQuery]:
    """All queries: those of the file, those of the presets that the file does not write itself, and its own."""
    presets = [query for preset in config.presets for query in PRESETS[preset]]
    known = {query.name: query for query in (*(own.queries() if config.own else ()), *presets, *config.queries)}
    return list(known.values())
