"""The past as if it had been watched."""

import numpy as np
import pytest

from exporter.anomalies.blocks import ReadError
from exporter.anomalies.replay import replay, replay_together
from exporter.config.anomalies import AnomalyQuery, LearnedNormal
from tests.exporter.anomalies.conftest import DAY, NOW, Recorded, daily

CONFIG = LearnedNormal()
QUERY = CONFIG.resolved(AnomalyQuery(name="load", expr="load", min_deviation=5))
ODD = NOW - 1.5 * DAY


def values(times: np.ndarray) -> np.ndarray:
    return daily(times) + np.where((times >= ODD) & (times <= ODD + 1800), 40.0, 0.0)


def test_what_would_have_been_found_is_found_once_and_in_its_place(recorded: Recorded) -> None:
    recorded.add("load", values, instance="a")
    shares: list[float] = []
    [found] = replay(QUERY, CONFIG, recorded, 4, NOW, shares.append)
    assert (found.time, found.labels, found.live) == (ODD, {"instance": "a"}, True)
    assert len(recorded.reads) == 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_only_what_was_before_is_learned_from(recorded: Recorded) -> None:
    """The last day is of another kind; it changes nothing of what the days before it said."""
    recorded.add("load", values)
    before = replay(QUERY, CONFIG, recorded, 4, NOW)
    other = Recorded()
    other.add("load", lambda times: np.where(times > NOW - 0.9 * DAY, 500.0, values(times)))
    after = replay(QUERY, CONFIG, other, 4, NOW)
    assert [one.score for one in after if one.time < NOW - DAY] == [one.score for one in before]
    assert len(after) > len(before)


def test_a_past_without_points_enough_says_so(recorded: Recorded) -> None:
    recorded.add("load", lambda times: np.where(times > NOW - 600, 1.0, np.nan))
    with pytest.raises(ReadError, match="warming up"):
        replay(QUERY, CONFIG, recorded, 1, NOW)


def test_members_of_a_group_that_are_odd_only_together_are_found_as_well(recorded: Recorded) -> None:
    def apart(times: np.ndarray) -> np.ndarray:
        ordinary = 50 + 20 * np.sin(2 * np.pi * times / DAY)
        is_apart = (times >= ODD) & (times <= ODD + 3600)
        return np.where(is_apart, 2 * ordinary - daily(times), daily(times))

    queries = [CONFIG.resolved(AnomalyQuery(name=name, expr=name, group="host")) for name in ("one", "two", "gone")]
    recorded.add("one", daily, instance="a")
    recorded.add("two", apart, instance="a")
    recorded.add("gone", lambda times: np.full(len(times), np.nan), instance="a")
    found = replay_together(queries, CONFIG, recorded, 4, NOW)
    [one] = found.anomalies
    assert (one.metric, one.labels) == ("group:host", {"instance": "a"})
    assert ODD <= one.time <= ODD + 3600 < (one.ended_at or 0) <= ODD + 7200
    assert list(found.errors) == ["gone"]
