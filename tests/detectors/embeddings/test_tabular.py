import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.embeddings.tabular import embed_rows
from detectors.inputs import features_of

values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**30), 10**30),
    st.text(max_size=100),
    st.booleans(),
    st.none(),
)


def cosine(one, other):
    rows = embed_rows([features_of(one), features_of(other)]).astype(float)
    return float(rows[0] @ rows[1])


@given(st.lists(values, min_size=1, max_size=6), st.lists(values, min_size=6, max_size=6))
def test_vectors_have_unit_length_and_do_not_depend_on_the_other_rows(row, other):
    one = {f"f{index}": value for index, value in enumerate(row)}
    two = {f"f{index}": value for index, value in enumerate(other[: len(row)])}
    together = embed_rows([one, two])
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(together, np.concatenate([embed_rows([one]), embed_rows([two])]), atol=1e-5)


@given(st.lists(values, min_size=1, max_size=6))
def test_equal_rows_have_a_cosine_of_one(row):
    features = {f"f{index}": value for index, value in enumerate(row)}
    assert cosine(features, dict(reversed(features.items()))) == pytest.approx(1, abs=1e-5)


def test_near_values_are_near_and_no_feature_hides_another():
    person = {"age": 25, "income": 30000}
    assert 0.9 < cosine(person, {"age": 24, "income": 30001}) < 1
    assert cosine(person, {"age": 80, "income": 30000}) < 0.9
    assert cosine(person, {"age": 25, "income": 90000}) < 0.9


@pytest.mark.parametrize(
    ("one", "other"),
    [(25, 80), (0.01, 0.09), (0, 1), (1, -1), (1e-5, 3e-5), (1e6, 2e6), (-3, 3), (1e-3, 1e3), ("a", "b"), ("1", 1)],
)
def test_values_that_differ_are_told_apart_at_every_scale(one, other):
    assert cosine({"x": one}, {"x": other}) < 0.9


@pytest.mark.parametrize(("one", "other"), [(True, False), (None, 0), (None, "None"), (True, "True"), (True, 1)])
def test_categories_are_near_to_nothing_but_themselves(one, other):
    assert cosine({"x": one}, {"x": other}) < 0.9


@pytest.mark.parametrize(
    ("one", "other"), [(24, 25), (0.10, 0.102), (30000, 30100), (-5, -5.1), (1e9, 1.01e9), (1e-4, 1.02e-4)]
)
def test_values_that_are_near_in_proportion_are_near(one, other):
    assert cosine({"x": one}, {"x": other}) > 0.98


def test_similarity_falls_steadily_as_a_value_moves_away():
    cosines = [cosine({"x": 100}, {"x": 100 * factor}) for factor in (1, 1.02, 1.05, 1.1, 1.2, 1.4)]
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[-1] < 0.9


def test_far_values_do_not_come_near_again():
    far = [cosine({"x": 10.0}, {"x": 10.0 * factor}) for factor in np.geomspace(1.6, 1e9, 4000)]
    assert max(far) < 0.8


@pytest.mark.parametrize("names", [1, 5, 64, 65, 300, 2000])
def test_wide_tables_have_at_least_four_numbers_a_feature_and_less_than_all(names):
    rows = [dict.fromkeys(range(names), value) for value in (1.0, 5.0)]
    vectors = embed_rows(rows)
    assert 4 * names <= vectors.shape[1] <= max(16 * names, 1024) or names > 64
    assert vectors.shape[1] <= max(1024, 4 * names)
    assert float(vectors[0] @ vectors[1]) < 0.9


def test_huge_numbers_stay_finite():
    assert np.isfinite(embed_rows([{"x": 1.7e308}, {"x": 10**300}, {"x": 5e-324}])).all()
