"""Several series at once."""

import numpy as np
import pytest

from detectors.series.group import Group


def together(points, seed=0):
    """Three series that move together, and one of its own; each in another unit."""
    random = np.random.default_rng(seed)
    common = random.standard_normal(points)
    rows = np.stack([common + 0.1 * random.standard_normal(points) for _ in range(3)], axis=1)
    return np.column_stack([rows, random.standard_normal(points)]) * [1.0, 100.0, 0.01, 5.0]


def learned():
    group = Group()
    group.learn(together(5000))
    return group


def test_an_odd_combination_of_ordinary_values_is_above_the_line():
    found = learned().judge(np.array([[1.5, 150.0, -0.015, 0.0], [1.5, 150.0, 0.015, 0.0]]))
    assert found.score[0] > 1
    assert found.score[1] < 1
    assert found.shares[0].argmax() == 2


def test_ordinary_points_are_below_the_line():
    assert (learned().judge(together(5000, seed=1)).score < 1).mean() > 0.999


def test_shares_sum_to_one():
    shares = learned().judge(together(50)).shares
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_an_incident_in_the_history_does_not_hide_the_next_one():
    history = together(5000)
    history[1000:1100, 2] = -0.05
    group = Group()
    group.learn(history)
    assert group.judge(np.array([[1.5, 150.0, -0.04, 0.0]])).score[0] > 1


def test_a_member_without_a_value_counts_as_where_it_was_expected():
    group = learned()
    row = np.array([[0.0, 0.0, 0.0, np.nan]])
    assert group.judge(row).score == pytest.approx(group.judge(np.nan_to_num(row)).score, abs=0.01)


@pytest.mark.parametrize("fill", [0.0, 7.0, np.nan])
def test_a_member_that_never_moved_gives_finite_scores(fill):
    history = together(500)
    history[:, 1] = fill
    group = Group()
    group.learn(history)
    assert np.isfinite(group.judge(together(10)).score).all()


def test_the_score_does_not_depend_on_who_else_is_judged():
    group, rows = learned(), together(20)
    np.testing.assert_allclose(
        group.judge(rows).score, [group.judge(rows[i : i + 1]).score[0] for i in range(20)], rtol=1e-9
    )


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (5,)])
def test_nothing_to_learn_from_is_refused(shape):
    with pytest.raises(ValueError, match="at least one point and one series"):
        Group().learn(np.zeros(shape))


def test_it_goes_on_from_what_was_dumped():
    group, other = learned(), Group()
    other.load(group.dump())
    np.testing.assert_array_equal(group.judge(together(9)).score, other.judge(together(9)).score)
