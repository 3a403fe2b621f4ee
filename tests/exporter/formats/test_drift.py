"""Reports of drift as they come."""

import json

import pytest

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.drift import decode

REPORT = {"model_id": "m", "drift_type": "data", "severity": "high", "confidence": 0.9}


def test_one_report_and_an_array_of_them_are_taken():
    assert decode(json.dumps(REPORT).encode(), Limits())[0].confidence == 0.9
    assert len(decode(json.dumps([REPORT, REPORT | {"tags": {"a": 1}}]).encode(), Limits())) == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"confidence": 1.5}, "confidence: expected `float` <= 1.0"),
        ({"drift_type": "label"}, "drift_type: expected one of data, concept"),
        ({"severity": "bad"}, "severity: expected one of low, medium, high, critical"),
        ({"model_id": ""}, "model_id: expected `str` of length >= 1"),
    ],
)
def test_a_wrong_field_is_named(wrong, reason):
    with pytest.raises(Refused) as refused:
        decode(json.dumps(REPORT | wrong).encode(), Limits())
    assert refused.value.reason == reason


def test_no_json_and_too_many_are_told_apart():
    with pytest.raises(Unreadable):
        decode(b"severity", Limits())
    with pytest.raises(TooMany):
        decode(json.dumps([REPORT] * 3).encode(), Limits(body_queries=2))
