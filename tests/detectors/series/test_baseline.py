"""The baseline of one series."""

import json
from base64 import b64encode

import numpy as np
import pytest

from detectors.series import Baseline, SeriesOptions, judge_together
from detectors.series.baseline import ALGORITHMS, FEW, typical_step
from tests.detectors.series.series import START, daily, noise, times

ALL = sorted(ALGORITHMS)


def learned(options=None, points=2000, values=None):
    baseline = Baseline(options)
    baseline.learn(times(points), daily(points) if values is None else values)
    return baseline


def after(points, start=2000):
    return times(start + points)[start:]


@pytest.mark.parametrize("algorithm", ALL)
def test_a_batch_gives_what_its_points_give_one_by_one(algorithm):
    values = daily(2100)[2000:]
    values[50] = np.nan
    values[60:70] += 40
    options = SeriesOptions(algorithm=algorithm)
    whole = learned(options).judge(after(100), values)
    baseline, parts = learned(options), []
    for i in range(100):
        parts.append(baseline.judge(after(100)[i : i + 1], values[i : i + 1]))
    for name in whole._fields[:-2]:
        single = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_allclose(getattr(whole, name), single, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("algorithm", ALL)
def test_scores_are_finite_and_not_below_0_wherever_there_is_a_value(algorithm):
    values = np.concatenate([daily(200), np.full(50, 3.0), [1e300, -1e300, 0.0, 5e-324], noise(50)])
    values[::17] = np.nan
    found = learned(SeriesOptions(algorithm=algorithm), values=np.full(2000, 5.0)).judge(after(len(values)), values)
    finite = np.isfinite(values)
    assert (found.score[finite] >= 0).all()
    assert np.isfinite(found.score[finite]).all()
    assert np.isnan(found.score[~finite]).all()
    assert (found.lower <= found.expected).all()
    assert (found.expected <= found.upper).all()


@pytest.mark.parametrize("algorithm", ALL)
def test_what_was_dumped_goes_on_as_if_nothing_had_been(algorithm):
    options = SeriesOptions(algorithm=algorithm)
    one, other = learned(options), Baseline(options)
    one.judge(after(50), daily(2050)[2000:])
    other.load_state(one.dump_state())
    later, values = after(100, 2050), daily(2150)[2050:] + 3
    for first, second in zip(one.judge(later, values)[:-1], other.judge(later, values)[:-1], strict=True):
        np.testing.assert_array_equal(first, second)
    assert other.season == one.season


def test_a_dump_is_plain_values():
    state = learned().dump_state()
    text = json.dumps(state, default=lambda data: b64encode(data).decode())
    assert len(text) < 256_000


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "baseline 0"}, "format 'baseline 0'"),
        ({"options": {}}, "options"),
        ({"arrays": {}}, "the state lacks"),
        ({"arrays": 5}, "the wrong kind"),
    ],
)
def test_a_dump_of_something_else_is_refused(change, error):
    with pytest.raises(ValueError, match=error):
        Baseline().load_state({**learned().dump_state(), **change})


def test_several_series_at_once_are_judged_as_each_alone():
    together = [learned(values=daily(2000, seed=seed)) for seed in range(5)]
    alone = [learned(values=daily(2000, seed=seed)) for seed in range(5)]
    for i in range(20):
        time, values = after(20)[i], np.array([100.0, 130.0, np.nan, 60.0 + i, 500.0])
        found = judge_together(together, time, values)
        for number, baseline in enumerate(alone):
            single = baseline.judge(np.array([time]), values[number : number + 1])
            for name in found._fields[:-2]:
                np.testing.assert_array_equal(getattr(found, name)[number], getattr(single, name)[0])


def test_several_series_of_other_options_are_refused():
    with pytest.raises(ValueError, match="the same options"):
        judge_together([learned(), learned(SeriesOptions(direction="up"))], START, np.zeros(2))


@pytest.mark.parametrize("judge", [lambda it: it.judge(times(FEW + 1), noise(FEW + 1)), Baseline.dump_state])
def test_a_baseline_that_has_not_learned_says_so(judge):
    assert not Baseline().ready
    with pytest.raises(ValueError, match="expected a baseline that has learned"):
        judge(Baseline())


@pytest.mark.parametrize("values", [[], [np.nan] * 10])
def test_nothing_to_learn_from_is_refused(values):
    with pytest.raises(ValueError, match="at least one finite value"):
        Baseline().learn(times(len(values)), np.array(values, dtype=float))


def test_points_that_are_no_example_of_normal_stay_news():
    values = daily(2000)
    values[1000:1050] = 300
    excluded = np.zeros(2000, bool)
    excluded[1000:1050] = True
    with_it, without = Baseline(), Baseline()
    with_it.learn(times(2000), values)
    without.learn(times(2000), values, exclude=excluded)
    scores = [baseline.judge(after(1), np.array([300.0])).score[0] for baseline in (with_it, without)]
    assert scores[1] > 3
    assert scores[1] > scores[0]


def test_sixty_percent_at_three_in_the_morning_is_not_fine():
    busy = (times(8 * 288) // 3600 % 24 >= 8) & (times(8 * 288) // 3600 % 24 < 20)
    values = np.where(busy, 85.0, 20.0) + noise(8 * 288) - 50
    baseline = learned(points=8 * 288, values=values)
    assert baseline.season == "daily"
    night = START + 8 * 86_400 + 3 * 3600 + 300.0 * np.arange(10)
    found = baseline.judge(night, np.full(10, 60.0))
    assert (found.score > 1).all()
    assert (found.upper < 60).all()
    # and by day 85 % is
    noon = START + 8 * 86_400 + 12 * 3600 + 300.0 * np.arange(10)
    assert (learned(points=8 * 288, values=values).judge(noon, 35 + noise(10, seed=9)).score < 1).all()


def test_a_level_shift_stays_abnormal_for_hours_and_is_normal_in_the_end():
    values = noise(2000 + 4 * 288, seed=3)
    values[2000:] += 40
    baseline = learned(values=values[:2000])
    found = baseline.judge(after(4 * 288), values[2000:])
    assert (found.score[:60] > 1).mean() > 0.95  # five hours
    assert (found.score[3 * 288 :] < 1).mean() > 0.95


def test_creep_a_spike_and_a_flat_line_are_news():
    calm = daily(4000, 60.0)
    creep, spike, flat = (calm[3000:].copy() for _ in range(3))
    creep[200:600] += np.linspace(0, 60, 400)
    spike[300] += 60
    flat[300:420] = flat[300]
    for values, where in ((creep, slice(400, 600)), (spike, slice(300, 301)), (flat, slice(350, 420))):
        baseline = Baseline()
        baseline.learn(times(3000, 60.0), calm[:3000])
        found = baseline.judge(times(4000, 60.0)[3000:], values)
        assert found.score[where].max() > 1


@pytest.mark.parametrize(
    ("options", "up", "down", "little"),
    [
        ({}, True, True, True),
        ({"direction": "up"}, True, False, True),
        ({"direction": "down"}, False, True, False),
        ({"min_deviation": 20.0}, True, True, False),
        ({"min_deviation_ratio": 0.4}, True, True, False),
        ({"min_deviation_ratio": 5.0}, False, False, False),
    ],
)
def test_only_deviations_of_note_have_a_score(options, up, down, little):
    baseline = learned(SeriesOptions(**options), values=noise(2000))
    found = baseline.judge(after(3), np.array([90.0, 10.0, 65.0]))
    assert [score > 1 for score in found.score] == [up, down, little]


def test_a_flat_line_counts_however_large_a_deviation_must_be():
    baseline = learned(SeriesOptions(min_deviation=1000.0), values=noise(2000))
    assert baseline.judge(after(60), np.full(60, 50.0)).score[-1] > 1


def test_rarity_is_the_share_of_the_past_that_was_as_far_off():
    baseline = learned(SeriesOptions(season="none"), values=np.arange(2000.0))
    found = baseline.judge(after(3), np.array([999.5, 499.75, 5000.0]))
    assert found.rarity == pytest.approx([1.0, 0.5, 0.0], abs=0.01)


def test_the_same_history_gives_the_same_result():
    first, second = (learned(SeriesOptions(algorithm="isolation_forest")) for _ in range(2))
    values = noise(20)
    np.testing.assert_array_equal(first.judge(after(20), values).score, second.judge(after(20), values).score)


def test_the_typical_step_is_the_median_of_the_gaps():
    assert typical_step(np.array([0.0, 60.0, 120.0, 120.0, 9000.0])) == 60.0
    assert typical_step(np.array([5.0])) == 60.0
