"""Reports of drift as they come."""

import json

import msgspec
import pytest

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.drift import Report, decode

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
        ({"tags": {"n": 10**400}}, "the body: a number of its tags is out of range"),
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


@pytest.mark.parametrize("value", [1, -7, 2**63, 2**64 - 1, -(2**63), 1.5, True, None, "1"], ids=repr)
def test_a_tag_comes_back_as_it_was_given(value):
    [report] = decode(json.dumps(REPORT | {"tags": {"n": value}}).encode(), Limits())
    assert (report.tags["n"], type(report.tags["n"])) == (value, type(value))


def test_a_whole_number_beyond_64_bits_is_one_that_a_snapshot_takes():
    [report] = decode(json.dumps(REPORT | {"tags": {"n": 2**64, "of": "n"}}).encode(), Limits())
    assert report.tags == {"n": 1.8446744073709552e19, "of": "n"}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=Report).tags == report.tags
