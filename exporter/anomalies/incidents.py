"""Incidents of a query: consecutive odd points of one series are one, and it is told by its worst point."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from detectors.series import Judgement
from exporter.anomalies.alarm import Change
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.course import Judged
from exporter.anomalies.series import WatchedSeries, explained
from exporter.config.anomalies import ResolvedQuery


class Look(NamedTuple):
    """One judged point: where it stands in its judgement, its context, and the version of the baseline.

    live: False for one that is caught up with after a pause: what it shows is recorded, but alarms nobody.
    """

    point: Judged
    judgement: Judgement
    at: int
    context: str
    version: str
    live: bool


class Incidents:
    """Those of one query; used under its lock. record: takes what was found, and what became of it."""

    def __init__(self, config: ResolvedQuery, record: Callable[[Anomaly], None]) -> None:
        self._config, self._record = config, record
        #: how many began with live points
        self.begun = 0
        #: by series: what is, or may become, an incident; and what people said is none, while it goes on
        self._open: dict[str, Anomaly] = {}
        self._dismissed: dict[str, Anomaly] = {}

    def take(self, one: WatchedSeries, look: Look, change: Change | None) -> None:
        """Take a point in. change: what it did to the alarm of the series."""
        severity = self._config.severity.of(look.point.score)
        if severity is not None and not one.alarm.is_dismissed:
            self._odd(one, look, severity)
        if change == "opened":
            self._opened(one, look.live)
        elif change == "closed":
            self.close(one, look.point.time)
        elif one.alarm.since is None:
            self._open.pop(one.id, None)
            one.worst, one.shares = -math.inf, {}

    def _odd(self, one: WatchedSeries, look: Look, severity: str) -> None:
        """Keep the worst point of what is, or may become, an incident."""
        point = look.point
        if point.score <= one.worst:
            return
        explanation = explained(look.judgement, look.at, point.value)
        if explanation is None:
            return
        one.worst, one.shares = point.score, explanation.shares
        before = self._open.get(one.id)
        self._open[one.id] = found = Anomaly(
            id=before.id if before else f"{self._config.name}-{one.id}-{int(point.time)}",
            time=before.time if before else point.time,
            worst_at=point.time,
            metric=self._config.name,
            series=one.id,
            labels=one.labels,
            value=point.value,
            expected=point.expected,
            lower=point.lower,
            upper=point.upper,
            score=point.score,
            severity=severity,
            algorithm=self._config.options.algorithm,
            explanation=_plain(explanation),
            baseline_version=look.version,
            context=look.context,
            live=before.live if before and one.incident is not None else look.live,
        )
        if one.incident is not None:
            self._record(found)

    def _opened(self, one: WatchedSeries, live: bool) -> None:
        found = self._open.get(one.id)
        if found is None:
            return
        found.live = live
        one.incident = found.id
        self.begun += live
        self._record(found)

    def is_told(self, one: WatchedSeries) -> bool:
        """Whether an incident of the series lasts that began with live points."""
        found = self._open.get(one.id)
        return found is not None and one.incident is not None and found.live

    def close(self, one: WatchedSeries, time: float) -> None:
        """It is over, whatever it was."""
        found = self._open.pop(one.id, None)
        if found is not None and one.incident is not None:
            found.ended_at = time
            self._record(found)
        if dismissed := self._dismissed.pop(one.id, None):
            self._record(over(dismissed))
        one.incident, one.worst, one.shares = None, -math.inf, {}

    def forget(self, one: WatchedSeries) -> None:
        """End what lasts, or begins, at the last point that was seen."""
        if one.alarm.is_open or one.alarm.since is not None:
            self.close(one, one.last.time if one.last else one.known_until)
            one.alarm.reset()

    def dismiss(self, one: WatchedSeries) -> None:
        """People said that the one which lasts is none: it ends, and what is left of it opens no other one."""
        one.alarm.dismiss()
        found = self._open.pop(one.id)
        ended_at = one.last.time if one.last else found.worst_at
        self._dismissed[one.id] = msgspec.structs.replace(found, ended_at=ended_at, dismissed=True)
        self._record(self._dismissed[one.id])
        one.incident, one.worst, one.shares = None, -math.inf, {}

    def resume(self, series: Mapping[str, WatchedSeries], lasting: Sequence[Anomaly]) -> None:
        """Go on with those of before a restart, and with what people said is none."""
        for found in lasting:
            one = series.get(found.series)
            if one is None:
                self._record(over(found))
                continue
            one.alarm.resume(found.time)
            if found.dismissed:
                one.alarm.dismiss()
                self._dismissed[one.id] = found
            else:
                one.incident, one.worst = found.id, found.score
                one.shares = found.explanation.get("shares", {})
                self._open[one.id] = found

    def explain_with(self, one: WatchedSeries, moved: list[str]) -> None:
        """Note which members of its group moved with a series whose incident lasts."""
        found = self._open.get(one.id)
        if found is not None and moved and found.explanation.get("moved_with") != moved:
            found.explanation = {**found.explanation, "moved_with": moved}
            if one.incident is not None:
                self._record(found)


def over(found: Anomaly) -> Anomaly:
    """The record of what lasted when it was seen for the last time, and is over."""
    return msgspec.structs.replace(
        found, ended_at=found.worst_at if found.ended_at is None else found.ended_at, dismissed=False
    )


def _plain(explanation: Any) -> dict[str, Any]:
    """An explanation as it is written down."""
    features = {name: round(share, 4) for name, share in explanation.features.items() if share}
    return {
        "sentence": explanation.sentence(),
        "shares": {name: round(share, 4) for name, share in explanation.shares.items() if share >= 5e-5},
        **({"features": features} if features else {}),
        "nearest": explanation.nearest,
        "rarity": explanation.rarity,
    }
