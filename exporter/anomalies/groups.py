"""Several metrics together: the members of a group that share an instance, judged by how they deviate at once."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from detectors.series import Group
from exporter.anomalies.alarm import Alarm
from exporter.anomalies.blocks import Points
from exporter.anomalies.series import Judged, WatchedSeries
from exporter.anomalies.watched import WatchedQuery

#: residuals that a group is learned from, the newest, and how many there have to be
LEARNED_POINTS, LEAST_POINTS = 10_080, 500
#: a member with at least this share of an odd group has moved with it
MOVED_SHARE = 0.1
#: more members than this in one place are no combination that anybody understands
MOST_MEMBERS = 50


class Member(NamedTuple):
    """A series of a query."""

    query: str
    series: str


class Place:
    """The members of a group that share a label's value, their last residuals, and how these belong together."""

    def __init__(self, members: Mapping[Member, Points | None]) -> None:
        self.members = tuple(members)
        self.alarm = Alarm()
        self.score = float("nan")
        self.shares: dict[Member, float] = {}
        self.last_time = -np.inf
        self._group: Group | None = None
        self._residuals: deque[np.ndarray] = deque(_together(list(members.values())), maxlen=LEARNED_POINTS)
        self.learn()

    def learn(self) -> bool:
        """Learn from the residuals that were seen; whether there were enough."""
        if len(self._residuals) < LEAST_POINTS:
            return False
        self._group = Group()
        self._group.learn(np.array(self._residuals))
        return True

    def take(self, time: float, points: Mapping[Member, Judged]) -> None:
        """Take the live points of one time: judge them together, and remember them."""
        row = np.array([_residual(points.get(member)) for member in self.members])
        self.last_time = time
        if self._group is None:
            self._residuals.append(row)
            self.learn()
            return
        judgement = self._group.judge(row[None, :])
        self.score = float(judgement.score[0])
        self.shares = dict(zip(self.members, judgement.shares[0].tolist(), strict=True))
        self.alarm.step(time, self.score >= 1)
        if not self.alarm.is_open:  # what is odd is no example
            self._residuals.append(row)

    @property
    def moved(self) -> list[Member]:
        """The members that make it odd, those with the largest shares first."""
        large = [member for member, share in self.shares.items() if share >= MOVED_SHARE]
        return sorted(large, key=lambda member: -self.shares[member])


class Groups:
    """The groups of a configuration, by name. label: whose values part a group into places."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._places: dict[str, dict[str, Place]] = {}

    def take(self, group: str, queries: Iterable[WatchedQuery], time: float, points: Mapping[Member, Judged]) -> None:
        """Judge the live points of one time of all the queries of a group."""
        known = self._places.setdefault(group, {})
        for value, members in self._members(queries).items():
            place = known.get(value)
            if place is None or set(place.members) != set(members):
                place = known[value] = Place(members)
            if time > place.last_time:
                place.take(time, points)
        for value in list(known):
            if time - known[value].last_time > 86_400:
                del known[value]

    def learn(self, group: str) -> None:
        """Learn the places of a group anew, but for those in alarm."""
        for place in self._places.get(group, {}).values():
            if not place.alarm.is_open:
                place.learn()

    def places(self, group: str) -> dict[str, Place]:
        """The places of a group by their value of the label."""
        return dict(self._places.get(group, {}))

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
