"""The past as if it had been watched."""

import numpy as np
import pytest

from exporter.anomalies.blocks import ReadError
from exporter.anomalies.replay import replay
from exporter.learned_config import AnomalyQuery, LearnedNormal
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
