"""Answers in the forms that the exporter takes."""

from typing import Any

import numpy as np
import pytest

from vedette_client.outputs import as_output

NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("answer", {"text": "answer"}),
        ({"role": "assistant", "content": "answer"}, {"text": "answer"}),
        ([{"role": "assistant", "content": "answer"}], {"text": "answer"}),
        (0.87, {"label": 0.87}),
        (np.int64(3), {"label": 3}),
        (np.array([3]), {"label": 3}),
        (np.array(3.5), {"label": 3.5}),
        (True, {"label": True}),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.9, 0.8], [0.9, 0.8]),
        ([0, 0, 1], [0, 0, 1]),
        (np.array([[0.25, 0.75]]), [0.25, 0.75]),
        ([1.0000001, -1e-9], [1.0, 0.0]),
        ({"logits": np.array([1.5, -2.0])}, {"logits": [1.5, -2.0]}),
        ({"logprobs": [-0.5, 0.0]}, {"logprobs": [-0.5, 0.0]}),
        ({"probabilities": [1.7, -0.3], "label": np.str_("spam")}, {"label": "spam"}),
        ({"class": "spam", "raw": NAN, 3: "x", "label": None}, {"class": "spam"}),
    ],
)
def test_what_models_answer_gets_a_form(given: Any, told: Any) -> None:
    assert as_output(given) == told


@pytest.mark.parametrize(
    "given",
    [
        None,
        NAN,
        [1.7, -0.3],
        [NAN, 1.0],
        ["a", "b"],
        [0, 1, 1],
        [0, 0],
        [True, False],
        [],
        {},
        {"probabilities": [0.0, 0.0]},
        {"logprobs": [0.5]},
        {"logits": [[1.0], [2.0]]},
        {"role": "assistant", "content": None},
        np.zeros((2, 3)),
        b"bytes",
    ],
)
def test_what_is_no_answer_to_one_query_gets_none(given: Any) -> None:
    assert as_output(given) is None
