import json

from detectors import DetectionResult, Query


def test_a_result_is_plain_data_on_request():
    result = DetectionResult(True, 0.9, "because", {"score": 0.9})
    assert json.loads(json.dumps(result.dict())) == {
        "is_suspicious": True,
        "confidence": 0.9,
        "reason": "because",
        "metadata": {"score": 0.9},
    }


def test_a_query_needs_its_input_only_and_knows_when_it_was_made():
    one, other = Query("a"), Query("a", {"label": "x"}, {"source": "test"})
    assert one.timestamp <= other.timestamp
    assert (one.model_output, one.hash, one.embedding) == (None, None, None)
    assert other.metadata == {"source": "test"}


def test_queries_do_not_share_their_metadata():
    one, other = Query("a"), Query("a")
    one.metadata["seen"] = True
    assert other.metadata == {}
