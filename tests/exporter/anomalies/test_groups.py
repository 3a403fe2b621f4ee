"""Groups while one thread judges and another one learns."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors.series import Group
from exporter.anomalies import groups
from exporter.anomalies.blocks import Points
from exporter.anomalies.course import Judged
from exporter.anomalies.groups import Member, Place

TIMES = 60.0 * np.arange(600)
MEMBERS = (Member("one", "a"), Member("two", "a"))


def place() -> Place:
    """Two members, and what they deviated so far."""
    random = np.random.default_rng(1)
    return Place({member: Points(TIMES, random.normal(0, 1, len(TIMES))) for member in MEMBERS})


def take(known: Place, time: float) -> None:
    known.take(time, {member: Judged(time, 1.0, 0.0, 0.5, 0.0, 2.0) for member in MEMBERS})


def slowly(meanwhile: Callable[[], None]) -> type[Group]:
    """A group that is judged while it learns."""

    class Slow(Group):
        def learn(self, residuals: np.ndarray) -> None:
            meanwhile()
            super().learn(residuals)
            meanwhile()

    return Slow


def test_a_place_is_judged_by_what_it_knows_while_it_learns_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    known = place()
    take(known, TIMES[-1] + 60)
    before = known.score
    monkeypatch.setattr(groups, "Group", slowly(lambda: take(known, TIMES[-1] + 120)))
    assert known.learn()
    assert known.score == before
