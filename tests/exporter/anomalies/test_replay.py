"""The past as if it had been watched."""

import numpy as np
import pytest

from exporter.anomalies.blocks import ReadError
from exporter.anomalies.events import Event
from exporter.anomalies.replay import replay, replay_together
from exporter.config.anomalies import AnomalyQuery, Context, LearnedNormal
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


def test_it_tells_from_when_on_there_were_points_enough(recorded: Recorded) -> None:
    recorded.add("load", daily)
    recorded.gone.append((0.0, NOW - 2.5 * DAY))
    end = NOW - QUERY.lag
    assert replay_together([QUERY], CONFIG, recorded, 4, NOW).begun == {"load": end - DAY}
    recorded.gone.clear()
    assert replay_together([QUERY], CONFIG, recorded, 4, NOW).begun == {"load": end - 4 * DAY}


DEPLOYMENTS = [NOW - days * DAY for days in np.arange(0.35, 10.0, 0.65).tolist()]


def is_deployment(times: np.ndarray) -> np.ndarray:
    return np.any([(times >= begin) & (times <= begin + 1800) for begin in DEPLOYMENTS], axis=0)


def busy(times: np.ndarray) -> np.ndarray:
    """High during deployments, which are at another time each day."""
    return daily(times) + np.where(is_deployment(times), 60.0, 0.0)


def test_contexts_of_the_configuration_hold_as_they_would_have(recorded: Recorded) -> None:
    recorded.add("load", busy)
    recorded.add("deploys", lambda times: np.where(is_deployment(times), 1.0, np.nan))
    with_contexts = LearnedNormal(contexts=(Context(kind="deployment", expr="deploys"),))
    assert len(replay(QUERY, CONFIG, recorded, 3, NOW)) > 0
    assert replay(QUERY, with_contexts, recorded, 3, NOW) == []


def test_events_that_were_told_hold_as_they_would_have(recorded: Recorded) -> None:
    recorded.add("load", busy)
    told = [Event("deployment", begin, begin + 1800) for begin in DEPLOYMENTS]
    assert replay(QUERY, CONFIG, recorded, 3, NOW, told=told) == []


def test_a_context_is_read_in_spans_so_that_an_event_of_long_ago_is_known(recorded: Recorded) -> None:
    recorded.add("load", daily)
    recorded.add("deploys", lambda times: np.full(len(times), np.nan))
    replay(QUERY, LearnedNormal(contexts=(Context(kind="deployment", expr="deploys"),)), recorded, 3, NOW)
    spans = [(start, end) for expr, start, end in recorded.reads if expr == "deploys"]
    assert all((end - start) / 60 < 10_000 for start, end in spans)
    assert spans[0][0] == NOW - 60 - 10 * DAY
    assert [start - 60 for start, _ in spans[1:]] == [end for _, end in spans[:-1]]
    assert spans[-1][1] == NOW - 60


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
