"""The band around the expected value."""

import numpy as np
import pytest

from detectors.series.band import Band


def covered(band, residuals):
    inside = 0
    for residual in residuals.tolist():
        inside += -band.lower <= residual <= band.upper
        band.step(residual)
    return inside / len(residuals)


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: random.standard_normal(5000),
        lambda random: random.standard_t(2, 5000),
        lambda random: random.exponential(1, 5000),
        lambda random: random.poisson(2, 5000).astype(float),
        lambda random: 5 * random.standard_normal(5000),
        lambda random: 3 + random.standard_normal(5000),
    ],
    ids=["normal", "heavy", "one-sided", "counts", "five times as wide as learned", "elsewhere than learned"],
)
def test_the_share_of_values_inside_comes_out_right_whatever_their_distribution(draw):
    random, band = np.random.default_rng(5), Band()
    band.learn(random.standard_normal(500))
    assert 0.93 <= covered(band, draw(random)) <= 0.975 or band.lower == 0


def test_edges_never_cross_the_expected_value():
    band = Band()
    band.learn(np.full(100, 7.0))
    for residual in [*[-5.0] * 500, *[5.0] * 500]:
        assert band.lower >= 0
        assert band.upper >= 0
        band.step(residual)


def test_a_series_that_was_constant_gets_a_band_when_it_begins_to_move():
    band = Band()
    band.learn(np.zeros(100))
    assert (band.lower, band.upper) == (0.0, 0.0)
    random = np.random.default_rng(6)
    covered(band, random.standard_normal(2000))
    assert covered(band, random.standard_normal(3000)) > 0.92


def test_it_goes_on_from_what_was_dumped():
    band, other = Band(), Band()
    band.learn(np.arange(-10.0, 20.0))
    other.load(band.dump())
    band.step(50.0)
    other.step(50.0)
    assert (band.lower, band.upper) == (other.lower, other.upper)
