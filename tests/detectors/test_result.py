import copy
import json
import pickle
from dataclasses import asdict

import msgspec
import pytest

from detectors import DetectionResult, Query
from detectors.result import unsaid

SAID = [
    DetectionResult(True, 0.5, "query 0", {"of": [0]}),
    DetectionResult(False, 0.25, "query 1", {"of": [1]}),
]


def fresh():
    """What SAID says, not looked at yet."""
    return unsaid([True, False], [0.5, 0.25], lambda index: (f"query {index}", {"of": [index]}))


def test_a_result_is_plain_data_on_request():
    result = DetectionResult(True, 0.9, "because", {"score": 0.9})
    assert json.loads(json.dumps(result.dict())) == {
        "is_suspicious": True,
        "confidence": 0.9,
        "reason": "because",
        "metadata": {"score": 0.9},
    }


def test_a_result_needs_no_metadata_and_shares_none():
    one, other = DetectionResult(True, 0.9, "because"), DetectionResult(True, 0.9, reason="because")
    one.metadata["seen"] = True
    assert other.metadata == {}


def test_the_words_of_a_batch_are_made_when_somebody_looks():
    asked = []
    results = unsaid([True, False], [0.5, 0.25], lambda index: (asked.append(index) or "why", {}))
    assert [(result.is_suspicious, result.confidence) for result in results] == [(True, 0.5), (False, 0.25)]
    assert asked == []
    assert results[1].reason == "why"
    assert asked == [1]


@pytest.mark.parametrize(
    "look",
    [
        lambda result: result,
        repr,
        asdict,
        copy.copy,
        copy.deepcopy,
        msgspec.json.encode,
        DetectionResult.dict,
        lambda result: pickle.loads(pickle.dumps(result)),
        lambda result: (result.metadata, result.reason),
    ],
)
def test_whoever_looks_first_sees_a_whole_result(look):
    assert [look(result) for result in fresh()] == [look(result) for result in SAID]


@pytest.mark.parametrize("result", [SAID[0], fresh()[0]], ids=["said", "unsaid"])
def test_a_deep_copy_shares_nothing_and_a_copy_its_metadata(result):
    assert copy.deepcopy(result).metadata is not result.metadata
    assert copy.copy(result).metadata is result.metadata


def test_what_is_looked_at_stays_what_it_is():
    result = fresh()[0]
    result.metadata["seen"] = True
    result.metadata |= {"again": True}
    assert result.metadata == {"of": [0], "seen": True, "again": True}
    assert result.reason == "query 0"


def test_what_was_set_before_anybody_looked_is_kept():
    result = fresh()[0]
    result.metadata = {"mine": True}
    assert (result.reason, result.metadata) == ("query 0", {"mine": True})


@pytest.mark.parametrize("result", [SAID[0], fresh()[0]], ids=["said", "unsaid"])
def test_a_result_has_nothing_else(result):
    with pytest.raises(AttributeError, match="'DetectionResult' object has no attribute 'score'"):
        _ = result.score


def test_a_flag_without_its_confidence_makes_no_result():
    with pytest.raises(ValueError, match="zip"):
        unsaid([True], [], lambda index: ("", {}))


def test_a_query_needs_its_input_only_and_knows_when_it_was_made():
    one, other = Query("a"), Query("a", {"label": "x"}, {"source": "test"})
    assert one.timestamp <= other.timestamp
    assert (one.model_output, one.hash, one.embedding) == (None, None, None)
    assert other.metadata == {"source": "test"}


def test_queries_do_not_share_their_metadata():
    one, other = Query("a"), Query("a")
    one.metadata["seen"] = True
    assert other.metadata == {}
