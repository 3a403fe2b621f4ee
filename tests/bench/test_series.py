"""How detectors of series are measured."""

import numpy as np
import pytest

from bench.row import Row
from bench.series import nab_rows, quality
from bench.telemetry import INCIDENTS, SHAPES, clean, labelled


@pytest.mark.parametrize("shape", SHAPES)
def test_a_seed_gives_the_same_series_and_another_one_another(shape):
    first, second, other = (labelled(shape, seed, 3000, 1000) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.values, second.values)
    assert not np.array_equal(first.values, other.values)
    assert np.isfinite(first.values).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_labelled_series_is_the_clean_one_outside_its_incidents(shape):
    series = labelled(shape, 3, 4000, 1000)
    ordinary = clean(shape, 3, 4000).values
    np.testing.assert_array_equal(series.values[~series.anomalous], ordinary[~series.anomalous])
    assert not series.anomalous[:1000].any()
    assert len(series.kinds) == 4
    assert set(series.kinds) <= set(INCIDENTS)


def test_a_perfect_score_finds_everything_and_a_constant_one_nothing():
    truth = [np.arange(500) % 250 < 5 for _ in range(4)]
    assert quality([one.astype(float) for one in truth], truth) == (1.0, 1.0, 1.0, 1.0)
    assert quality([np.zeros(500)] * 4, truth)[:2] == (0.0, 0.0)


def test_false_alarms_set_the_line():
    truth, score = np.zeros(10_000, bool), np.zeros(10_000)
    truth[5000:5010] = truth[8000:8010] = True
    score[5005], score[8005], score[:20] = 3.0, 1.0, 2.0
    recall = quality([score], [truth])[:2]
    assert recall == (0.5, 1.0)


def test_without_its_data_a_row_says_that_it_was_not_measured(monkeypatch):
    monkeypatch.delenv("NAB", raising=False)
    for row in nab_rows():
        assert row.cells()[1] == "not measured"
        assert row.cells()[-1] == ""


@pytest.mark.parametrize(("measured", "verdict"), [(70.9, "missed"), (71.0, "reached")])
def test_a_row_with_a_least_figure_is_reached_from_there_on(measured, verdict):
    assert Row("work", measured, "of 100", least=71.0).cells() == (
        "work",
        f"{measured:.4g} of 100",
        "",
        "≥ 71",
        verdict,
    )
