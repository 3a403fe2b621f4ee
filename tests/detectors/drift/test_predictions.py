"""Labels and confidences from answers of every form."""

import numpy as np
import pytest

from detectors.drift.predictions import LABEL_CHARACTERS, Prediction, prediction_of
from detectors.outputs import distribution


@pytest.mark.parametrize(
    ("output", "label", "confidence"),
    [
        ([0.1, 0.7, 0.2], "1", 0.7),
        (np.array([0.1, 0.7, 0.2]), "1", 0.7),
        ({"probabilities": [0.0, 0.0, 0.5]}, "2", 1.0),
        ([1, 0, 0], "0", 1.0),
        ([0.6, 0.395], "0", 0.6 / 0.995),
        ([0.6, 0.3995], "0", 0.6),
        ({"logits": [1.0, 3.0]}, "1", 1 / (1 + np.exp(-2))),
        ({"logits": [-1e308, 1e308]}, "1", 1.0),
        ({"logprobs": [-0.5, -1.5]}, None, np.exp(-1.0)),
        ({"label": "spam"}, "spam", None),
        ({"label": 3}, "3", None),
        ({"label": 3.0}, "3", None),
        ({"label": -0.0}, "0", None),
        ({"label": 12.5}, "12.5", None),
        ({"label": True}, "True", None),
        ("spam", "spam", None),
        (7, "7", None),
        ([0.001] * 1000, "0", 0.001),
    ],
)
def test_a_prediction_is_the_likeliest_class_and_its_probability(output, label, confidence):
    found = prediction_of(output)
    assert found.label == label
    assert found.confidence == (None if confidence is None else pytest.approx(confidence))


@pytest.mark.parametrize(
    "output",
    [None, {}, {"text": "words"}, [], [0.0, 0.0], [float("nan"), 1.0], ["a"], [[0.5, 0.5]], {"logits": []},
     {"logprobs": [1.0]}, {"logits": [float("inf")]}],
)  # fmt: skip
def test_an_answer_that_is_wrong_or_says_nothing_tells_nothing(output):
    assert prediction_of(output) == Prediction()


def test_the_confidence_is_the_largest_number_of_the_detectors_own_distribution():
    random = np.random.default_rng(1)
    for _ in range(50):
        output = (random.dirichlet(np.ones(5)) * random.choice([1.0, 0.9])).tolist()
        row, _ = distribution(output)
        assert prediction_of(output) == Prediction(str(int(row.argmax())), pytest.approx(row.max()))


def test_a_long_label_is_cut():
    assert prediction_of({"label": "x" * 1000}).label == "x" * LABEL_CHARACTERS
