import numpy as np
import pandas as pd
import pytest
from PIL import Image

from detectors import InvalidQuery
from detectors.inputs import alike_numbers, each, features_of, is_redacted, kind_of, kinds, missing, numbers_of, text_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "text"),
        ("", "text"),
        (["a", "b"], "text"),
        ({"age": 3}, "table"),
        ({}, "table"),
        ({"embedding": 3}, "table"),
        ({"embedding": [1.0], "age": 3}, "table"),
        (pd.Series({"age": 3}), "table"),
        ({"embedding": [1.0]}, "embedding"),
        ({"embedding": np.zeros(3)}, "embedding"),
        ([1, 2.0], "numbers"),
        ((1, 2.0), "numbers"),
        (np.zeros(3), "numbers"),
        (np.zeros((3, 3)), "image"),
        (np.zeros((3, 3, 3)), "image"),
        ([[0, 1], [1, 0]], "image"),
        (b"\x89PNG", "image"),
        (Image.new("L", (2, 2)), "image"),
        (None, None),
        ([], None),
        (5, None),
        (np.zeros(()), None),
        (np.zeros((1, 2, 3, 4)), None),
        (pd.DataFrame({"age": [3]}), None),
        (object(), None),
    ],
)
def test_the_kind_follows_from_the_form(value, kind):
    assert kind_of(value) == kind


def test_tensors_are_told_by_their_axes(tensor):
    assert kind_of(tensor(np.zeros(3))) == "numbers"
    assert kind_of(tensor(np.zeros((3, 4, 4)))) == "image"


def test_positions_are_given_by_kind():
    assert kinds(["a", [1.0], "b"], ("text", "numbers")) == {"text": [0, 2], "numbers": [1]}
    assert kinds(["a", "b"], ("text",)) == {"text": [0, 1]}


@pytest.mark.parametrize(
    ("value", "described"), [(5, "int"), ([], "an empty list"), (np.zeros((1, 2, 3, 4)), "ndarray of shape")]
)
def test_what_is_of_no_kind_is_refused_and_described(value, described):
    with pytest.raises(InvalidQuery, match=f"query 1: input_data: expected a text, .* got {described}"):
        kinds(["a", value], ("text",))


@pytest.mark.parametrize(
    ("value", "taken", "reason"),
    [
        (None, ("text",), "no_input"),
        ({"a": 1}, ("text",), "other_modality"),
        ("redacted-by-litellm", ("text",), "redacted"),
        (["redacted-by-litellm"], ("text",), "redacted"),
        ("redacted-by-litellm", ("image",), "other_modality"),
        ("redacted-by-litellm is a sentinel", ("text",), None),
        ("a", ("text",), None),
        (object(), ("text",), None),
    ],
)
def test_the_reason_for_not_judging_is_one_of_a_closed_set(value, taken, reason):
    assert missing(value, taken) == reason


def test_a_list_with_more_than_the_sentinel_is_not_redacted():
    assert not is_redacted(["redacted-by-litellm", "hello"])
    assert not is_redacted([])


def test_texts_are_compared_stripped_lower_case_and_joined():
    assert text_of("  Hello World! \n") == "hello world!"
    assert text_of(["Hello", "World!"]) == "hello world!"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, "a"], "some of its parts are no numbers"),
        ([True, False], "some of its parts are no numbers"),
        ([1, None], "expected a list of numbers|not a finite number"),
        ({"embedding": [[1, 2]]}, r"got shape \(1, 2\)"),
        ({"embedding": []}, r"got shape \(0,\)"),
        ([1.0, float("nan")], "nan is not a finite number"),
        ([10**400], "expected a list of numbers"),
        (np.array(["a"]), "expected a list of numbers"),
        (np.array([1 + 2j]), "expected a list of numbers"),
    ],
)
def test_wrong_vectors_say_what_is_wrong(value, message):
    with pytest.raises(InvalidQuery, match=message):
        numbers_of(value)


def test_vectors_come_from_lists_arrays_tensors_and_embeddings(tensor):
    for value in (
        [1, 2.5],
        (1, 2.5),
        np.array([1, 2.5], np.float32),
        tensor(np.array([1, 2.5])),
        {"embedding": [1, 2.5]},
    ):
        assert numbers_of(value).tolist() == [1.0, 2.5]


def test_features_are_sorted_by_name_whatever_they_come_in():
    for value in ({"b": 1, "a": 2.5}, pd.Series({"b": 1, "a": 2.5}), {"b": np.int64(1), "a": np.float32(2.5)}):
        features = features_of(value)
        assert list(features.items()) == [("a", 2.5), ("b", 1)]
        assert {type(part) for part in features.values()} <= {int, float}


def test_features_of_a_list_are_named_by_position():
    assert list(features_of([5, 6]).values()) == [5.0, 6.0]
    assert list(features_of(list(range(11)))) == sorted(features_of(list(range(11))))


def test_features_can_be_texts_booleans_and_none():
    assert features_of({"a": "x", "b": True, "c": None, "d": np.bool_(False), "e": np.str_("y"), 3: 1}) == {
        "3": 1, "a": "x", "b": True, "c": None, "d": False, "e": "y",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "expected at least one feature"),
        ({"a": float("nan")}, "feature 'a': nan is not a finite number"),
        ({"a": np.float32("inf")}, "feature 'a': inf is not a finite number"),
        ({"a": [1]}, "feature 'a': expected a number, a text, true, false or null, got list"),
        ({"a": 1j}, "feature 'a': expected a number, a text, true, false or null, got complex"),
        ({"a": 10**400}, "feature 'a': the number is too large"),
        ({1: 2, "1": 3}, "two features have the same name"),
    ],
)
def test_wrong_features_are_named(value, message):
    with pytest.raises(InvalidQuery, match=message):
        features_of(value)


def test_an_error_gets_the_position_of_its_input():
    with pytest.raises(InvalidQuery, match="query 2: input_data"):
        each(text_of, ["a", "b", [1], "c"])


def test_arrays_of_one_length_are_read_together_as_each_alone():
    arrays = [np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)]
    together = alike_numbers([arrays[0], {"embedding": arrays[1]}])
    assert together.tolist() == [numbers_of(array).tolist() for array in arrays]


@pytest.mark.parametrize(
    "other",
    [[1.0, 2.0], np.array([1.0]), np.array([1, 2]), np.array([1.0, np.nan]), np.ones((1, 2)), {"embedding": [1, 2]}],
)
def test_what_is_not_alike_is_left_to_be_read_one_by_one(other):
    assert alike_numbers([np.array([1.0, 2.0]), other]) is None
