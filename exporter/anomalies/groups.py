"""Several metrics together: the members of a group that share an instance, judged by how they deviate at once."""

import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detectors.series import Group
from exporter.anomalies.alarm import Alarm, Change
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.blocks import Points, series_id
from exporter.anomalies.course import Judged
from exporter.anomalies.incidents import over
from exporter.anomalies.series import WatchedSeries
from exporter.anomalies.watched import WatchedQuery
from exporter.config.anomalies import DAY, SeverityLevels

#: residuals that a group is learned from, the newest, and how many there have to be
LEARNED_POINTS, LEAST_POINTS = 10_080, 500
#: a member with at least this share of an odd group has moved with it
MOVED_SHARE = 0.1
#: more members than this in one place are no combination that anybody understands
MOST_MEMBERS = 50
#: what the records of groups are called by: this and the group's name
PREFIX, ALGORITHM = "group:", "group"


class Member(NamedTuple):
    """A series of a query."""

    query: str
    series: str


class Place:
    """The members of a group that share a label's value, their last residuals, and how these belong together.

    window: seconds that a point of theirs looks back on.
    """

    def __init__(self, members: Mapping[Member, Points | None], window: float = 0.0) -> None:
        self.members = tuple(members)
        self.alarm = Alarm(window)
        self.score = float("nan")
        self.shares: dict[Member, float] = {}
        self.last_time = -np.inf
        #: up to here there is nothing to be missed: points after a pause are not judged together
        self.known_until = -np.inf
        #: the record of its incident, or of what people said is none while it goes on
        self.found: Anomaly | None = None
        self._group: Group | None = None
        self._residuals: deque[np.ndarray] = deque(_together(list(members.values())), maxlen=LEARNED_POINTS)
        self.learn()

    def learn(self) -> bool:
        """Learn from the residuals that were seen; whether there were enough."""
        if len(self._residuals) < LEAST_POINTS:
            return False
        learned = Group()
        learned.learn(np.array(list(self._residuals)))
        self._group = learned  # not before it has learned: the other thread judges meanwhile
        return True

    def take(self, time: float, points: Mapping[Member, Judged]) -> Change | None:
        """Take the live points of one time: judge them together, and remember them; what has changed by it."""
        row = np.array([_residual(points.get(member)) for member in self.members])
        self.last_time = self.known_until = time
        if self._group is None:
            self._residuals.append(row)
            self.learn()
            return None
        judgement = self._group.judge(row[None, :])
        self.score = float(judgement.score[0])
        self.shares = dict(zip(self.members, judgement.shares[0].tolist(), strict=True))
        change = self.alarm.step(time, self.score >= 1)
        if not self.alarm.is_open:  # what is odd is no example
            self._residuals.append(row)
        return change

    def go_on(self, before: "Place") -> None:
        """Take over what lasts where other members were before."""
        self.alarm, self.found = before.alarm, before.found
        self.last_time, self.known_until = before.last_time, before.known_until

    def resume(self, found: Anomaly) -> None:
        """Go on with an incident of before a restart, or with what people said is none."""
        self.found = found
        self.alarm.resume(found.time)
        if found.dismissed:
            self.alarm.dismiss()

    @property
    def moved(self) -> list[Member]:
        """The members that make it odd, those with the largest shares first."""
        large = [member for member, share in self.shares.items() if share >= MOVED_SHARE]
        return sorted(large, key=lambda member: -self.shares[member])


class Groups:
    """The groups of a configuration, by name. label: whose values part a group into places.

    severity: of the scores; record: takes what was found.
    """

    def __init__(self, label: str, severity: SeverityLevels, record: Callable[[Anomaly], None]) -> None:
        self._label, self._severity, self._record = label, severity, record
        self._places: dict[str, dict[str, Place]] = {}
        #: incidents of before a restart whose place was not seen yet, by its id; and since when it could have been
        self._resumed: dict[str, dict[str, Anomaly]] = {}
        self._resumed_at: dict[str, float] = {}
        #: held while an incident begins, changes or ends
        self._lock = threading.Lock()

    def configure(self, label: str, severity: SeverityLevels, names: Container[str | None]) -> None:
        """Take a configuration. names: of the groups that there are; what is no group any more, or is parted by
        another label, ends."""
        for group in list(self._places):
            if label != self._label or group not in names:
                for place in self._places.pop(group).values():
                    with self._lock:
                        self._end(place, place.last_time)
        self._label, self._severity = label, severity

    def take(self, group: str, queries: Sequence[WatchedQuery], time: float, points: Mapping[Member, Judged]) -> None:
        """Judge the live points of one time of all the queries of a group."""
        known = self._places.setdefault(group, {})
        window = max((query.window for query in queries), default=0.0)
        for value, members in self._members(queries).items():
            if not any(member in points for member in members):  # its machine is gone
                continue
            place = known.get(value)
            if place is None or set(place.members) != set(members):
                place = known[value] = self._place(group, value, Place(members, window), before=place)
            if time > place.last_time:
                with self._lock:
                    self._note(group, value, place, place.take(time, points), time)

    def resume(self, found: Anomaly) -> None:
        """Go on with an incident of before a restart as soon as its place is seen."""
        self._resumed.setdefault(found.metric.removeprefix(PREFIX), {})[found.series] = found

    def _place(self, group: str, value: str, place: Place, before: Place | None) -> Place:
        """A new place with what lasts there. before: with other members."""
        found = self._resumed.get(group, {}).pop(series_id(self._labels(value)), None)
        if before is not None:
            place.go_on(before)
        elif found is not None:
            place.resume(found)
        return place

    def caught_up(self, group: str, until: float) -> None:
        """Take note that the points up to `until` were read after a pause: whoever has none is not gone by that."""
        for place in self.places(group).values():
            place.known_until = max(place.known_until, until)

    def end_vanished(self, group: str, until: float, silence: float) -> None:
        """End the incidents of places without a point for so long; what is gone for a day is forgotten."""
        if until and until - self._resumed_at.setdefault(group, until) >= silence:
            for found in self._resumed.pop(group, {}).values():
                self._record(over(found))
        known = self._places.get(group, {})
        for value, place in list(known.items()):
            if until - place.known_until >= silence:
                with self._lock:
                    self._end(place, place.last_time)
                    place.alarm.reset()
            if until - place.last_time > DAY:
                del known[value]

    def dismiss(self, group: str, incident: str) -> None:
        """People said that this is none: if it lasts it ends at once, and what is left of it opens no other one."""
        for place in self.places(group).values():
            with self._lock:
                if place.found is not None and place.found.id == incident and place.alarm.is_open:
                    place.found = msgspec.structs.replace(place.found, ended_at=place.last_time, dismissed=True)
                    self._record(place.found)
                    place.alarm.dismiss()

    def _note(self, group: str, value: str, place: Place, change: Change | None, time: float) -> None:
        """Record that an incident began, that it became worse, or that it has ended."""
        if change == "closed":
            self._end(place, time)
        elif place.alarm.is_open and (place.found is None or place.score > place.found.score):
            place.found = self._found(group, value, place, time)
            self._record(place.found)

    def _end(self, place: Place, time: float) -> None:
        if place.found is not None:
            is_over = place.found.dismissed
            self._record(over(place.found) if is_over else msgspec.structs.replace(place.found, ended_at=time))
            place.found = None

    def _found(self, group: str, value: str, place: Place, time: float) -> Anomaly:
        labels = self._labels(value)
        series, began = series_id(labels), place.alarm.opened_at
        return Anomaly(
            id=f"{PREFIX}{group}-{series}-{int(began)}",
            time=began,
            worst_at=time,
            metric=PREFIX + group,
            series=series,
            labels=labels,
            value=place.score,
            score=place.score,
            severity=self._severity.of(place.score) or "low",
            algorithm=ALGORITHM,
            explanation=_explained(place),
        )

    def _labels(self, value: str) -> dict[str, str]:
        return {self._label: value} if value else {}

    def learn(self, group: str) -> None:
        """Learn the places of a group anew, but for those in alarm."""
        for place in self.places(group).values():
            if not place.alarm.is_open:
                place.learn()

    def places(self, group: str) -> dict[str, Place]:
        """The places of a group by their value of the label."""
        return dict(self._places.get(group, {}))

    def odd(self) -> set[Member]:
        """The members of all places whose incident lasts."""
        places = [place for group in list(self._places) for place in self.places(group).values()]
        return {member for place in places if place.alarm.is_open for member in place.members}

    def moved_with(self, group: str, member: Member) -> list[Member]:
        """The other members that moved with this one."""
        places = self.places(group).values()
        return [
            other
            for place in places
            if member in place.members and place.score >= 1
            for other in place.moved
            if other != member
        ]

    def _members(self, queries: Iterable[WatchedQuery]) -> dict[str, dict[Member, Points | None]]:
        found: dict[str, dict[Member, Points | None]] = {}
        for query in queries:
            for one in query.series.values():
                found.setdefault(self._value(one), {})[Member(query.config.name, one.id)] = one.residuals
        return {value: members for value, members in found.items() if 2 <= len(members) <= MOST_MEMBERS}

    def _value(self, one: WatchedSeries) -> str:
        return one.labels.get(self._label, "")


def _explained(place: Place) -> dict[str, Any]:
    """Which members make it odd, in words and by their shares."""
    shares = {f"{member.query}/{member.series}": round(share, 4) for member, share in place.shares.items() if share > 0}
    ranked = dict(sorted(shares.items(), key=lambda pair: -pair[1]))
    names = list(dict.fromkeys(member.query for member in place.moved))
    if len(names) == 1:
        sentence = f"{names[0]} does not go with the others as it did"
    else:
        sentence = f"{', '.join(names) or 'its members'} do not go together as they did"
    return {"sentence": sentence, "members": ranked}


def _together(residuals: Sequence[Points | None]) -> list[np.ndarray]:
    """Rows of what the members deviated at the same times, NaN where one has no point."""
    known = [points.times for points in residuals if points is not None]
    if not known:
        return []
    times = np.unique(np.concatenate(known))
    table = np.full((len(times), len(residuals)), np.nan)
    for column, points in enumerate(residuals):
        if points is not None:
            table[np.searchsorted(times, points.times), column] = points.values
    return list(table)


def _residual(point: Judged | None) -> float:
    return float("nan") if point is None else point.value - point.expected
