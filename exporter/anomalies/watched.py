"""A query that is watched: its series, what is read of them, judged, and found."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from detectors.series import Baseline, Judgement, judge_together
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import (
    READ_REASONS,
    SKIP_REASONS,
    Labels,
    Points,
    ReadError,
    after_gaps,
    on_grid,
)
from exporter.anomalies.course import Course, Judged
from exporter.anomalies.incidents import Incidents, Look
from exporter.anomalies.series import WatchedSeries, judged
from exporter.config.anomalies import WEEK, ResolvedQuery

Block = Mapping[str, tuple[Labels, Points]]
#: the contexts of times: str objects (n,)
ContextsOf = Callable[[np.ndarray], np.ndarray]
#: steps without a point after which a series has vanished, and its incident with it
VANISHED_STEPS = 3
#: a new series without a point for so long is gone again
GONE_SECONDS = 3600.0
#: an incident that has lasted this long is what is normal now, and keeps no baseline from being swapped
LONGEST_INCIDENT = WEEK


class TrainedSeries(NamedTuple):
    """What was learned of one series: baselines by context, and from how many points.

    residuals: values minus what is expected of them, where the series is member of a group.
    """

    labels: Labels
    baselines: dict[str, Baseline]
    points: int
    residuals: Points | None = None


class Trained(NamedTuple):
    """What was learned of a query. version: its name; until: the last point; seconds: how long it took."""

    version: str
    series: dict[str, TrainedSeries]
    until: float
    learned_at: float
    seconds: float


class Newcomer(NamedTuple):
    """A series that has not been learned. points: finite ones since the last learning; seen_at: when it had a point."""

    points: int
    seen_at: float


NOBODY = Newcomer(0, -math.inf)


class Part(NamedTuple):
    """Points of a series with their judgement, in which they stand from `at` on, and the context of each."""

    one: WatchedSeries
    points: Points
    judgement: Judgement
    at: int
    contexts: np.ndarray


class WatchedQuery:
    """State of one query. `lock` is held while it changes and while it is looked at.

    window: seconds that one of its points looks back on. record: takes what was found.
    """

    def __init__(
        self, config: ResolvedQuery, window: float, history_step: float, record: Callable[[Anomaly], None]
    ) -> None:
        self.config, self.window, self.history_step = config, window, history_step
        self.lock = threading.RLock()
        self.series: dict[str, WatchedSeries] = {}
        #: series that have not been learned
        self.unlearned: dict[str, Newcomer] = {}
        self.dropped = 0
        self.skipped: Counter[str] = Counter(dict.fromkeys(SKIP_REASONS, 0))
        self.errors: Counter[str] = Counter(dict.fromkeys(READ_REASONS, 0))
        self.error: ReadError | None = None
        #: whether it may have no series at all: a preset asks for more than every machine has
        self.is_optional = False
        self.incidents = Incidents(config, record)
        #: read up to here; before it has learned, nothing is read
        self.read_until: float | None = None
        self.judged_until = -math.inf
        #: points of courses that the disk does not have yet, by the id of the series
        self.unwritten: list[tuple[str, Judged]] = []
        self.last_point: float | None = None
        self.version, self.learned_at, self.points, self.seconds = "", 0.0, 0, 0.0
        self.shift: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether anything was learned."""
        return bool(self.series)

    @property
    def is_warming_up(self) -> bool:
        """Whether it only has to wait: for points enough, or for series that it need not have."""
        reason = None if self.error is None else self.error.reason
        return not self.is_ready and (
            self.error is None or reason == "too_few_points" or (self.is_optional and reason == "no_data")
        )

    @property
    def is_ripe(self) -> bool:
        """Whether a new series has points enough to be learned."""
        return any(one.points >= self.config.min_points for one in self.unlearned.values())

    @property
    def in_incident(self) -> list[WatchedSeries]:
        """The series whose incident lasts, the worst first."""
        lasting = [one for one in self.series.values() if one.alarm.is_open]
        return sorted(lasting, key=lambda one: -one.worst)

    # -- learning

    def swap(self, trained: Trained, now: float) -> int:
        """Judge by what was learned anew; returns how many series keep their baseline because an incident lasts.

        What was judged already is only taught to the new baselines: nothing is found twice.
        """
        with self.lock:
            kept = 0
            before, self.series = self.series, {}
            for identifier, learned in trained.series.items():
                old = before.get(identifier)
                if old and old.alarm.is_open and now - old.alarm.opened_at < LONGEST_INCIDENT:
                    kept += 1
                    self.series[identifier] = old
                else:
                    self.series[identifier] = _renewed(old, identifier, learned, trained.until, self.window)
            self.shift = _shift(before, self.series, trained.until)
            for identifier, old in before.items():
                if identifier not in self.series and old.alarm.since is not None:
                    self.incidents.close(old, old.last.time if old.last else old.known_until)
            self.unlearned = {key: self._still(one) for key, one in self.unlearned.items() if key not in self.series}
            self.read_until = trained.until
            self.judged_until = max(self.judged_until, trained.until)
            self.version, self.learned_at, self.seconds = trained.version, trained.learned_at, trained.seconds
            self.points = sum(learned.points for learned in trained.series.values())
            return kept

    def remember(self, courses: Mapping[str, Course], judged_until: float, lasting: Sequence[Anomaly]) -> None:
        """Go on with courses and incidents that were, and find nothing a second time. The baselines are there."""
        with self.lock:
            for identifier, one in self.series.items():
                one.course = courses.get(identifier, one.course)
            self.judged_until = max(self.judged_until, judged_until)
            self.incidents.resume(self.series, lasting)

    # -- judging

    def take(self, block: Block, until: float, contexts: ContextsOf, live: bool) -> list[tuple[str, Judged]]:
        """Judge what was read up to `until`; returns the live points by series.

        live: False for points that are caught up with after a pause: what they show is recorded, but alarms nobody.
        """
        with self.lock:
            fresh = self._fresh(block)
            self.read_until = until
            out = []
            for one, points, judgement, at, names in self._judged(fresh, contexts):
                for i, (time, value) in enumerate(zip(points.times.tolist(), points.values.tolist(), strict=True)):
                    if time > self.judged_until:
                        point = judged(judgement, at + i, time, value)
                        self._take(one, Look(point, judgement, at + i, names[i], self.version, live))
                        out.append((one.id, point))
            self.judged_until = max(self.judged_until, until)
            self._end_of_vanished(until)
            self._forget_newcomers(until)
            if live:
                return out
            self._forget_alarms()
            return []

    def _fresh(self, block: Block) -> list[tuple[WatchedSeries, Points]]:
        """The points that the learned series do not know yet; the others are counted."""
        after = -math.inf if self.read_until is None else self.read_until
        fresh = []
        for identifier, (_, raw) in block.items():
            points = on_grid(raw, self.config.step, after, self.skipped)
            if not len(points.times):
                continue
            self.last_point = max(self.last_point or 0.0, float(points.times[-1]))
            one = self.series.get(identifier)
            if one is None:
                self._not_learned(identifier, points)
                continue
            new = points.times > one.known_until
            fresh.append((one, self._usable(one, Points(points.times[new], points.values[new]))))
        return [(one, points) for one, points in fresh if len(points.times)]

    def _usable(self, one: WatchedSeries, points: Points) -> Points:
        """With NaN for what says nothing."""
        step, window = self.config.step, self.window
        gaps, one.gap_ended = after_gaps(points, step, window, one.known_until, one.gap_ended)
        odd = ~np.isfinite(points.values)
        self.skipped["not_finite"] += int(odd.sum())
        self.skipped["after_gap"] += int((gaps & ~odd).sum())
        return Points(points.times, np.where(gaps | odd, np.nan, points.values))

    def _not_learned(self, identifier: str, points: Points) -> None:
        if identifier in self.unlearned or len(self.series) + len(self.unlearned) < self.config.series:
            known = self.unlearned.get(identifier, NOBODY).points + int(np.isfinite(points.values).sum())
            self.unlearned[identifier] = Newcomer(known, float(points.times[-1]))
            self.skipped["warming_up"] += len(points.times)
        else:
            self.dropped += len(points.times)

    def _judged(self, fresh: Sequence[tuple[WatchedSeries, Points]], contexts: ContextsOf) -> list[Part]:
        times = np.unique(np.concatenate([points.times for _, points in fresh])) if fresh else np.empty(0)
        if len(times) == 1:
            return self._moment(fresh, float(times[0]), str(contexts(times)[0]))
        names = dict(zip(times.tolist(), contexts(times).tolist(), strict=True)) if len(times) else {}
        out = []
        for one, points in fresh:
            own = np.array([names[time] for time in points.times.tolist()], dtype=object)
            for context, where in _runs(own):
                part = Points(points.times[where], points.values[where])
                judgement = one.baseline(context).judge(part.times, part.values)
                out.append(Part(one, part, judgement, 0, own[where]))
            one.known_until = float(points.times[-1])
        return out

    def _moment(self, fresh: Sequence[tuple[WatchedSeries, Points]], time: float, context: str) -> list[Part]:
        """One point of each series at once: the usual case, at a third of the cost."""
        values = np.array([points.values[0] for _, points in fresh])
        names = np.array([context], dtype=object)
        baselines = [one.baseline(context) for one, _ in fresh]
        out = []
        for options in dict.fromkeys(baseline.options for baseline in baselines):
            where = [i for i, baseline in enumerate(baselines) if baseline.options == options]
            together = judge_together([baselines[i] for i in where], time, values[where])
            for row, i in enumerate(where):
                one, points = fresh[i]
                out.append(Part(one, points, together, row, names))
                one.known_until = time
        return out

    def _take(self, one: WatchedSeries, look: Look) -> None:
        change = one.take(look.point, self.config)
        if ended := one.course.take(look.point, self.history_step):
            self.unwritten.append((one.id, ended))
        self.incidents.take(one, look, change)

    # -- what became of incidents

    def dismiss(self, incident: str) -> None:
        """People said that this is none: if it lasts it ends at once, and what is left of it opens no other one."""
        with self.lock:
            for one in self.series.values():
                if one.incident == incident and one.alarm.is_open:
                    self.incidents.dismiss(one)

    def rewind(self, until: float) -> None:
        """Nothing is known of points behind this one."""
        with self.lock:
            if self.read_until is not None:
                self.read_until = min(self.read_until, until)
            self.judged_until = min(self.judged_until, until)
            for one in self.series.values():
                one.known_until = min(one.known_until, until)

    def end(self) -> None:
        """It is watched no more: end what lasts."""
        with self.lock:
            for one in self.series.values():
                self.incidents.forget(one)

    def _end_of_vanished(self, until: float) -> None:
        """End what was found of series that have no points any more, as far as was read: at their last point."""
        for one in self.series.values():
            if until - one.known_until >= VANISHED_STEPS * self.config.step:
                self.incidents.forget(one)

    def _still(self, one: Newcomer) -> Newcomer:
        """One that a learning has left out: where it had points enough, it needs so many again for the next attempt."""
        return one._replace(points=one.points if one.points < self.config.min_points else 0)

    def _forget_newcomers(self, until: float) -> None:
        """Forget the new series that are gone again: they hold no place, and nobody learns for them."""
        silence = max(GONE_SECONDS, VANISHED_STEPS * self.config.step)
        self.unlearned = {key: one for key, one in self.unlearned.items() if until - one.seen_at < silence}

    def _forget_alarms(self) -> None:
        """End what began while points were caught up with: an alarm begins with live points.

        What people were told of before the pause goes on. What was dismissed stays so: what is left of it is none
        after a pause either.
        """
        for one in self.series.values():
            if not one.alarm.is_dismissed and not self.incidents.is_told(one):
                self.incidents.forget(one)

    def explain_with(self, identifier: str, moved: list[str]) -> None:
        """Note which members of its group moved with a series whose incident lasts."""
        with self.lock:
            if one := self.series.get(identifier):
                self.incidents.explain_with(one, moved)


def _renewed(
    old: WatchedSeries | None, identifier: str, learned: TrainedSeries, until: float, window: float
) -> WatchedSeries:
    """The series with new baselines; its alarm and its course go on."""
    if old is None:
        old = WatchedSeries(identifier, learned.labels, learned.baselines, until, window)
    old.baselines, old.known_until, old.residuals = dict(learned.baselines), until, learned.residuals
    return old


def _shift(before: Mapping[str, WatchedSeries], after: Mapping[str, WatchedSeries], time: float) -> float | None:
    """How far what is expected has moved, in half widths of the old band: the median over the series."""
    at, nothing = np.array([time]), np.array([np.nan])
    moves = []
    for identifier, one in after.items():
        old = before.get(identifier)
        if old is None or old.last is None or not old.last.upper > old.last.lower:
            continue
        expected = float(one.ordinary.judge(at, nothing).expected[0])
        half = (old.last.upper - old.last.lower) / 2
        moves.append(abs(expected - old.last.expected) / half)
    return float(np.median(moves)) if moves else None


def _runs(names: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Consecutive points of one context: (context, positions)."""
    cuts = np.flatnonzero(names[1:] != names[:-1]) + 1
    return [(str(names[part[0]]), part) for part in np.split(np.arange(len(names)), cuts) if len(part)]
