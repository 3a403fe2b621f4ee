"""Page's test on errors: silent while the share of errors stays, quick when it rises, over when it falls."""

import numpy as np
import pytest

from detectors.drift.concept import BOUND, LEARNED, PageHinkley


def fed(*parts):
    """A test after parts of (share of errors, predictions), the errors evenly spread."""
    test = PageHinkley()
    for share, count in parts:
        for index in range(count):
            test.add(int((index + 1) * share) > int(index * share))
    return test


def test_it_first_learns_what_is_usual():
    test = fed((0.1, LEARNED - 1))
    assert not test.is_ready
    assert test.usual is None
    test.add(False)
    assert test.is_ready
    assert test.usual == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.95, 1.0])
def test_the_usual_share_is_no_drift_for_ever(share):
    assert fed((share, LEARNED + 20_000)).sum < BOUND / 2


@pytest.mark.parametrize(("usual", "now"), [(0.0, 0.15), (0.05, 0.25), (0.2, 0.4), (0.5, 0.75)])
def test_more_errors_are_drift_and_fewer_again_end_it(usual, now):
    assert fed((usual, LEARNED), (now, 2000)).drifted
    assert not fed((usual, LEARNED), (now, 2000), (usual, 2000)).drifted


def test_fewer_errors_than_usual_are_no_drift():
    assert fed((0.4, LEARNED), (0.05, 5000)).sum < 1.0


def test_false_alarms_are_as_rare_as_the_bound_promises():
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        test = PageHinkley()
        for is_wrong in (random.random(LEARNED + 5000) < 0.1).tolist():
            test.add(is_wrong)
            alarms += test.drifted
    assert alarms == 0


def test_a_test_that_has_seen_nothing_stands_at_nothing() -> None:
    test = PageHinkley()
    assert (test.sum, test.learned, test.wrong, test.usual, test.drifted) == (0.0, 0, 0, None, False)


@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_step_is_the_likelihood_ratio_of_a_model_that_is_five_points_worse(is_wrong: bool) -> None:
    test = fed((0.1, LEARNED))
    test.sum = 5.0
    test.add(is_wrong)
    share = 51 / 502  # with one error and one right answer more than were seen
    usual = share + 2.5 * np.sqrt(share * (1 - share) / 500)
    worse = usual + 0.05
    ratio = worse / usual if is_wrong else (1 - worse) / (1 - usual)
    assert test.sum == pytest.approx(5.0 + np.log(ratio), rel=1e-12)


def test_it_is_drift_above_the_bound_and_not_at_it() -> None:
    test = PageHinkley()
    test.sum = BOUND
    assert not test.drifted
    test.sum = np.nextafter(BOUND, np.inf)
    assert test.drifted
