import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import InvalidQuery
from detectors.outputs import distribution, has_probabilities, probabilities


def rows_of(outputs):
    """The distributions in the order of the answers."""
    groups, _ = probabilities(outputs)
    found = {int(position): row for positions, rows in groups for position, row in zip(positions, rows, strict=True)}
    return [found[index] for index in range(len(outputs))]


def test_probabilities_come_as_lists_arrays_and_mappings():
    for output in ([0.25, 0.75], (0.25, 0.75), np.array([0.25, 0.75], np.float32), {"probabilities": [0.25, 0.75]}):
        assert distribution(output)[0].tolist() == [0.25, 0.75]


def test_logits_go_through_the_softmax_without_overflow():
    assert distribution({"logits": [1000.0, 1000.0]})[0].tolist() == [0.5, 0.5]
    assert distribution({"logits": [0.0, -1e6]})[0].tolist() == [1.0, 0.0]


def test_logprobs_count_as_one_outcome_by_their_geometric_mean():
    assert distribution({"logprobs": [np.log(0.5), np.log(0.125)]})[0] == pytest.approx([0.25, 0.75])


def test_sums_are_normalised_beyond_a_thousandth_only():
    row, normalised = distribution([0.3, 0.3])
    assert (row.tolist(), normalised) == ([0.5, 0.5], True)
    row, normalised = distribution([0.5, 0.5005])
    assert (row.tolist(), normalised) == ([0.5, 0.5005], False)


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(lambda row: sum(row) > 1e-6), min_size=1))
def test_a_batch_gives_what_its_answers_give_alone(outputs):
    for row, output in zip(rows_of(outputs), outputs, strict=True):
        np.testing.assert_allclose(row, distribution(output)[0], atol=1e-12)
    assert probabilities(outputs)[1].tolist() == [distribution(output)[1] for output in outputs]


def test_many_arrays_and_many_lists_give_the_same():
    lists = [[0.25, 0.75], [0.5, 0.6], [1, 0]]
    arrays = [np.array(output, dtype=float) for output in lists]
    for one, other in zip(rows_of(lists), rows_of(arrays), strict=True):
        assert one.tolist() == other.tolist()
    assert arrays[1].tolist() == [0.5, 0.6]  # normalising leaves the caller's array alone


@pytest.mark.parametrize(
    "number", [0, 1, np.float32(0.5), np.float64(0.5), np.int64(1), Decimal("0.5"), Fraction(1, 2)]
)
def test_numbers_of_any_type_count_in_a_batch_as_alone(number):
    first, second = rows_of([[number, 0.5], [0.25, 0.75]])
    assert first.tolist() == distribution([number, 0.5])[0].tolist()
    assert second.tolist() == [0.25, 0.75]


@pytest.mark.parametrize("number", [True, None, "0.5", b"0.5", 1j, [0.5], 10**400, float("nan"), 2**60, -1])
def test_what_is_no_probability_alone_is_none_in_a_batch(number):
    with pytest.raises(InvalidQuery) as alone:
        distribution([number, 0.5])
    with pytest.raises(InvalidQuery) as together:
        probabilities([[0.25, 0.75], [number, 0.5]])
    assert (together.value.message, together.value.index) == (alone.value.message, 1)


def test_answers_of_all_shapes_go_together():
    outputs = [[0.5, 0.5], {"logits": [0, 0, 0]}, np.array([1.0, 0.0]), {"logprobs": [0.0]}]
    assert [row.tolist() for row in rows_of(outputs)] == [[0.5, 0.5], pytest.approx([1 / 3] * 3), [1, 0], [1, 0]]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ([], "expected one row of at least one number, got shape \\(0,\\)"),
        ([[0.5, 0.5]], "expected one row of at least one number, got shape \\(1, 2\\)"),
        ([0.5, float("nan")], "nan is not a finite number"),
        ([float("inf"), 0.0], "inf is not a finite number"),
        (
            [-0.1, 1.1],
            '-0.1 is not a probability \\(0 to 1\\); for scores before the softmax send {"logits": \\[...\\]}',
        ),
        ([2.5, 0.5], "2.5 is not a probability"),
        ([0, 0], "probabilities sum to 0"),
        (["a", "b"], "expected a list of numbers"),
        (["0.5", "0.5"], "expected a list of numbers"),
        ([None, 1.0], "expected a list of numbers"),
        ({"probabilities": 0.5}, "expected a list of numbers, got float"),
        ([True, False], "some of its parts are no numbers"),
        ([10**400, 0], "expected a list of numbers"),
        (np.array(["a"]), "expected a list of numbers, got an array of <U1"),
        ({"logits": "abc"}, "logits: expected a list of numbers, got str"),
        ({"logprobs": [0.5]}, "logprobs: 0.5 is above 0"),
        ({"label": "cat"}, "expected probabilities, logits or logprobs, got label"),
        ({}, "expected probabilities, logits or logprobs, got nothing"),
    ],
)
def test_wrong_answers_say_what_was_wrong_and_where(output, message):
    with pytest.raises(InvalidQuery, match=f"query 1: model_output: .*{message}"):
        probabilities([[0.5, 0.5], output])


@pytest.mark.parametrize(
    "wrong", [[0.5, float("nan")], [0.5, -0.5], [0.0, 0.0], ["0.5", "0.5"], [0.5, None], [10**400, 0]]
)
def test_a_wrong_answer_among_many_of_the_same_length_is_found(wrong):
    with pytest.raises(InvalidQuery, match="query 2: "):
        probabilities([[0.5, 0.5], [0.5, 0.5], wrong])


def test_what_holds_probabilities_is_told_by_its_form():
    for output in ([0.5], (), np.array([1.0]), {"logits": []}, {"text": "a", "logprobs": [1]}):
        assert has_probabilities(output)
    for output in (None, "cat", 1.0, True, {"label": "cat"}, {"text": "a", "logprobs": None}, {}):
        assert not has_probabilities(output)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", [list, np.array, lambda numbers: {"probabilities": numbers}])
def test_what_is_no_probability_is_told_about_logits(form, wrong):
    with pytest.raises(InvalidQuery, match=r'; for scores before the softmax send \{"logits": \[\.\.\.\]\}$'):
        distribution(form([wrong, 0.5]))
