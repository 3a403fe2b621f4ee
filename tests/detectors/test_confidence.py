import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import ConfidenceDetector, MissingField, Query
from detectors.confidence import closeness, doubt, entropy
from tests.detectors.restart import assert_goes_on


def judged(output, **config):
    return ConfidenceDetector(config).process(Query("text", model_output=output))


def naive_entropy(row):
    return -sum(p * math.log(p) for p in row if p > 0)


rows = st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda row: sum(row) > 1e-6)


@given(rows)
def test_the_three_scores_agree_with_loops(row):
    row = [p / sum(row) for p in row]
    ordered = sorted(row, reverse=True)
    array = np.array([row])
    assert entropy(array)[0] == pytest.approx(naive_entropy(row), abs=1e-9)
    assert doubt(array)[0] == pytest.approx(1 - ordered[0])
    assert closeness(array)[0] == pytest.approx(1 - (ordered[0] - ordered[1]) if len(row) > 1 else 0)


@given(rows)
def test_the_three_scores_stay_in_their_ranges(row):
    for mode, largest in (("entropy", math.log(len(row))), ("max_confidence", 1.0), ("margin", 1.0)):
        score = judged([p / sum(row) for p in row], mode=mode).metadata["score"]
        assert -1e-12 <= score <= largest + 1e-9


def test_a_uniform_answer_over_four_classes_has_the_entropy_of_four():
    result = judged([0.25] * 4, threshold=0.8)
    assert result.reason == "entropy mode: suspicious score = 1.3863, threshold = 0.8000"
    assert result.confidence == pytest.approx(math.log(4))
    assert result.is_suspicious


@pytest.mark.parametrize(("mode", "score"), [("entropy", 0.0), ("max_confidence", 0.0), ("margin", 0.0)])
def test_a_certain_answer_leaves_no_doubt(mode, score):
    result = judged([1.0, 0.0, 0.0], mode=mode)
    assert result.metadata["score"] == score
    assert not result.is_suspicious


@pytest.mark.parametrize(("normalize", "score"), [(True, 1.0), (False, math.log(5))])
def test_entropy_is_divided_by_its_largest_value_on_request(normalize, score):
    assert judged([0.2] * 5, normalize=normalize).metadata["score"] == pytest.approx(score)


def test_a_single_class_has_no_entropy_to_divide_by():
    assert judged([1.0], normalize=True).metadata["score"] == 0


def test_what_is_counted_is_relative_to_the_number_of_classes():
    detector = ConfidenceDetector()
    batch = [Query("a", model_output=[0.5] * 2), Query("a", model_output=[0.1] * 10), Query("a", model_output=[1.0])]
    scores = detector.score(batch)
    assert scores.tolist() == pytest.approx([math.log(2), math.log(10), 0])
    assert detector.observed(scores).tolist() == pytest.approx([1, 1, 0])


@pytest.mark.parametrize("mode", ["max_confidence", "margin"])
def test_other_modes_are_counted_as_they_are(mode):
    detector = ConfidenceDetector({"mode": mode})
    scores = detector.score([Query("a", model_output=[0.6, 0.4])])
    assert detector.observed(scores).tolist() == scores.tolist()


def test_only_normalised_answers_say_so():
    assert judged([0.4, 0.4]).metadata["normalised"] is True
    assert "normalised" not in judged([0.5, 0.5]).metadata


@pytest.mark.parametrize("output", [None, {"label": "cat"}, {"text": "a cat"}, "cat", 3])
def test_answers_without_probabilities_are_not_judged(output):
    assert ConfidenceDetector().missing(Query("a", model_output=output)) == "no_probabilities"
    with pytest.raises(MissingField, match="confidence cannot judge it: no_probabilities"):
        judged(output)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="confidence: option mode: invalid enum value 'doubt'"):
        ConfidenceDetector({"mode": "doubt"})


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=2, max_size=2), min_size=1, max_size=30), st.integers(1, 8))
def test_the_average_runs_over_the_history(outputs, size):
    detector = ConfidenceDetector({"mode": "max_confidence", "max_history_size": size})
    scores = detector.score([Query("a", model_output=[p / sum(row) for p in row]) for row in outputs])
    state = detector.get_state()
    assert state["num_scores"] == min(len(outputs), size)
    assert state["last_score"] == scores[-1]
    assert state["avg_score"] == pytest.approx(scores[-size:].mean())


def test_without_scores_the_state_is_empty():
    assert ConfidenceDetector().get_state() == {"last_score": None, "avg_score": 0.0, "num_scores": 0}


answers = st.lists(st.lists(st.floats(0.01, 1), min_size=2, max_size=5), min_size=1, max_size=12)


@given(
    st.lists(answers, max_size=8),
    st.sets(st.integers(0, 8)),
    st.integers(1, 20),
    st.sampled_from(["entropy", "max_confidence", "margin"]),
)
def test_a_restart_at_any_point_changes_no_bit_of_scores_and_average(batches, cuts, size, mode):
    batches = [[Query("text", model_output=[p / sum(row) for p in row]) for row in batch] for batch in batches]
    assert_goes_on(lambda: ConfidenceDetector({"mode": mode, "max_history_size": size}), batches, cuts)


def test_the_history_of_another_mode_or_size_is_not_taken():
    state = ConfidenceDetector({"mode": "margin"}).dump_state()
    for config, message in (
        ({}, "the state is of mode 'margin', and this detector has 'entropy'"),
        ({"mode": "margin", "max_history_size": 7}, "of max_history_size 100, and this detector has 7"),
        ({"mode": "margin", "normalize": True}, "of normalize False, and this detector has True"),
    ):
        with pytest.raises(ValueError, match=message):
            ConfidenceDetector(config).load_state(state)
    with pytest.raises(ValueError, match="the state has 101 scores for a history of 100"):
        ConfidenceDetector({"mode": "margin"}).load_state({**state, "history": [0.5] * 101})
