"""A detector of a model, and what was counted of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Query
from exporter.config import Config, Defaults
from exporter.models import Models
from exporter.tally import Tally
from tests.exporter.conftest import CONFIDENCE


def tally() -> Tally:
    [made] = Models(Config(defaults=Defaults(detectors=(CONFIDENCE,)))).of(None).tallies
    return made


@given(st.lists(st.floats(-1, 2), max_size=50))
@settings(deadline=None)
def test_scores_are_counted_as_by_a_naive_loop(scores: list[float]) -> None:
    counted = tally()
    bounds = counted.bounds.tolist()
    expected = [0] * (len(bounds) + 1)
    for score in scores:
        expected[next((place for place, bound in enumerate(bounds) if score <= bound), len(bounds))] += 1
    half = len(scores) // 2
    for part in (scores[:half], scores[half:]):
        counted.observe(np.array(part), sum(part), [Query("a")] * len(part))
    assert counted.scores.tolist() == expected
    assert counted.score_sum == pytest.approx(sum(scores))


def test_a_score_on_a_bound_belongs_to_the_bucket_below() -> None:
    counted = tally()
    counted.observe(counted.bounds.copy(), float(counted.bounds.sum()), [Query("a")] * len(counted.bounds))
    assert counted.scores.tolist() == [1] * len(counted.bounds) + [0]


def test_each_bucket_keeps_the_last_query_that_has_an_id() -> None:
    counted = tally()
    queries: list[Any] = [Query("a", id="first", timestamp=1.0), Query("b", id="last", timestamp=2.0)]
    counted.observe(np.array([0.01, 0.02]), 0.03, queries)
    assert counted.exemplars[0] == ("last", 0.02, 2.0)
    assert counted.exemplars[1:] == [None] * len(counted.bounds)


def test_a_snapshot_stands_still_while_counting_goes_on() -> None:
    counted = tally()
    taken = counted.snapshot()
    counted.observe(np.array([0.5]), 0.5, [Query("a", id="x")])
    counted.skipped["no_input"] += 1
    counted.errors["exception"] += 1
    assert taken.scores.sum() == 0
    assert not any(taken.exemplars)
    assert (taken.skipped["no_input"], taken.errors["exception"]) == (0, 0)
