"""The answer of the model beside the input."""

from typing import Any

import pytest

from tests.exporter.formats.conftest import one, rejected


@pytest.mark.parametrize(
    "output",
    [
        None,
        [0.2, 0.8],
        [0, 1],
        [0.5],
        [0.5, 0.9],
        {"probabilities": [0.2, 0.8]},
        {"logits": [-5, 1e300]},
        {"logits": [-1.7e308, 1.7e308]},
        {"logprobs": [-0.1, -2]},
        {"label": "cat"},
        {"text": "hello"},
        {},
    ],
)
def test_an_answer_is_kept_as_it_came(output: Any) -> None:
    assert one({"input": "a", "output": output}).model_output == output


@pytest.mark.parametrize("output", [[-0.1, 1.1], [1.5, 0.2], [-1e-9, 1.0]])
def test_numbers_that_are_no_probabilities_are_rejected_and_the_way_out_is_named(output: list[float]) -> None:
    rejection = rejected({"input": "a", "output": output})
    assert rejection.code == "invalid_output"
    assert '{"logits": [...]}' in rejection.reason


@pytest.mark.parametrize(
    "output",
    [
        [],
        [0, 0],
        [0.5, "0.5"],
        [0.5, None],
        {"probabilities": [0.5, 1.5]},
        {"probabilities": [[0.5, 0.5]]},
        {"probabilities": []},
        {"probabilities": "0.5"},
        {"logits": []},
        {"logits": [1, "a"]},
        {"logits": [10**400, 1]},
        {"probabilities": [10**400]},
        {"logprobs": [0.5]},
    ],
)
def test_an_answer_that_is_wrong_is_rejected(output: Any) -> None:
    rejection = rejected({"input": "a", "output": output})
    assert rejection.code == "invalid_output"
    assert rejection.reason.startswith("output")


def test_an_answer_of_another_type_is_rejected() -> None:
    assert rejected({"input": "a", "output": "cat"}).code == "wrong_type"
