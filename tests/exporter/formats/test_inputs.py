"""What is an input, and what is none."""

from typing import Any

import numpy as np
import pytest

from exporter.config import Limits
from tests.exporter.formats.conftest import one, rejected


def test_a_text_stays_as_it_is() -> None:
    assert one({"input": " Grüße\u0000 "}).input_data == " Grüße\u0000 "


def test_a_list_of_texts_and_a_list_of_numbers_are_inputs() -> None:
    assert one({"input": ["a", "b"]}).input_data == ["a", "b"]
    assert one({"input": [1, 2.5]}).input_data == [1.0, 2.5]


def test_features_are_numbers_texts_booleans_or_null() -> None:
    features = {"age": 25, "name": "x", "new": True, "gone": None, "income": 1.5}
    assert one({"input": features}).input_data == features


def test_an_embedding_becomes_float32_numbers() -> None:
    [embedding] = one({"input": {"embedding": [1, 2.5]}}).input_data.values()
    assert embedding.dtype == np.float32
    assert embedding.tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [
        ([], "invalid_input", "input: the list is empty"),
        ({}, "invalid_input", "input: the mapping is empty; expected {feature: value}"),
        (["a", 1], "invalid_input", "input: expected a list of texts or a list of numbers, got both"),
        ({"a": [1]}, "invalid_input", "input.a: expected a number, a text, true, false or null"),
        ({"embedding": []}, "invalid_input", "input.embedding: expected a list of numbers"),
        ({"embedding": "a"}, "invalid_input", "input.embedding: expected a list of numbers"),
        ({"embedding": [1, True]}, "invalid_input", "input.embedding: expected a list of numbers"),
        ({"embedding": [1e39]}, "invalid_input", "input: holds a number that is not finite"),
        ({"embedding": [10**400]}, "invalid_input", "input.embedding: holds a whole number beyond every float"),
        ({"a": 2**64}, "invalid_input", "input.a: a whole number beyond 64 bits"),
        ({"a": -(2**64)}, "invalid_input", "input.a: a whole number beyond 64 bits"),
        (5, "wrong_type", "input: expected `str | object | array`, got `int`"),
        (None, "wrong_type", "input: expected `str | object | array`, got `null`"),
        ([1, None], "wrong_type", "input[1]: expected `float | str`, got `null`"),
        ([[1, 2]], "wrong_type", "input[0]: expected `float | str`, got `array`"),
    ],
)
def test_an_input_that_is_none_is_rejected(value: Any, code: str, reason: str) -> None:
    rejection = rejected({"input": value})
    assert (rejection.code, rejection.reason) == (code, reason)


def test_an_unknown_modality_is_told_the_known_ones() -> None:
    rejection = rejected({"input": "a", "modality": "video"})
    assert rejection.code == "wrong_type"
    assert rejection.reason == "modality: expected one of text, image, tabular, embedding, auto, llm, cv"


def test_a_query_without_input_is_missing_a_field() -> None:
    rejection = rejected({"output": [1.0]})
    assert rejection.code == "missing_field"
    assert rejection.reason.startswith("expected a field `input`")


@pytest.mark.parametrize(
    ("event", "bounds", "reason"),
    [
        ({"input": "abcd"}, {"text_characters": 3}, "input: 4 characters, more than the 3 allowed"),
        ({"input": ["ab", "cd"]}, {"text_characters": 3}, "input: 4 characters, more than the 3 allowed"),
        ({"input": {"a": "ab", "b": "cd"}}, {"text_characters": 3}, "input: 4 characters, more than the 3 allowed"),
        ({"input": [1, 2, 3]}, {"vector_numbers": 2}, "input: 3 numbers, more than the 2 allowed"),
        ({"input": {"embedding": [1, 2, 3]}}, {"vector_numbers": 2}, "input: 3 numbers, more than the 2 allowed"),
        ({"input": {"a": 1, "b": 2}}, {"vector_numbers": 1}, "input: 2 features, more than the 1 allowed"),
    ],
)
def test_an_input_beyond_its_limit_is_too_large(event: Any, bounds: dict[str, int], reason: str) -> None:
    rejection = rejected(event, Limits(**bounds))
    assert (rejection.code, rejection.reason) == ("too_large", reason)


def test_an_input_at_its_limit_is_taken() -> None:
    limits = Limits(text_characters=3, vector_numbers=2)
    assert one({"input": "äöü"}, limits).input_data == "äöü"
    assert one({"input": [1, 2]}, limits).input_data == [1.0, 2.0]
