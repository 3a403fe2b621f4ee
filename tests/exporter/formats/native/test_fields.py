"""The fields beside input and answer, and requests of the Monitaur shape."""

import json
from typing import Any

import pytest

from exporter.config import Limits
from exporter.formats import Refused, native
from tests.exporter.formats.conftest import LIMITS, one, rejected


def test_every_field_arrives() -> None:
    query = one(
        {
            "id": "q1",
            "model": "m",
            "version": "2",
            "client": "c",
            "timestamp": 1700000000.5,
            "modality": "text",
            "input": "a",
            "output": [1.0],
            "label": "cat",
            "latency_seconds": 0.25,
            "error": "none",
            "tokens": {"input": 3, "output": 4},
            "cost_dollars": 0.01,
            "attributes": {"team": "x"},
        }
    )
    assert (query.id, query.model, query.version, query.client) == ("q1", "m", "2", "c")
    assert (query.timestamp, query.modality, query.label, query.error) == (1700000000.5, "text", "cat", "none")
    assert (query.latency_seconds, query.tokens, query.cost_dollars) == (0.25, {"input": 3, "output": 4}, 0.01)
    assert query.metadata == {"team": "x"}


def test_tokens_are_a_plain_mapping_with_both_counts() -> None:
    assert one({"input": "a", "tokens": {"input": 3}}).tokens == {"input": 3, "output": 0}
    assert one({"input": "a", "timestamp": 5, "tokens": {}}).tokens == {"input": 0, "output": 0}


def test_the_monitaur_request_is_taken_too() -> None:
    query = one({"input_data": "a", "model_output": [0.5, 0.5], "modality": "llm", "id": 7})
    assert (query.input_data, query.model_output, query.modality, query.id) == ("a", [0.5, 0.5], "text", "7")


def test_a_monitaur_request_beside_native_events_is_taken_and_a_wrong_one_is_named() -> None:
    body = b'[{"input":"a"},{"input_data":"b"},{"input_data":5},{"input_data":"c","model_output":[2]}]'
    queries, rejections = native.decode(body, LIMITS)
    assert [q.input_data for q in queries] == ["a", "b"]
    assert [(r.index, r.code) for r in rejections] == [(2, "wrong_type"), (3, "invalid_output")]
    assert rejections[1].reason.startswith("model_output")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("cv", "image"), ("llm", "text"), ("tabular", "tabular"), ("embedding", "embedding"), ("auto", None)],
)
def test_modalities_of_other_tools_are_understood(sent: str, meant: str | None) -> None:
    assert one({"input": "a", "modality": sent}).modality == meant


def test_an_empty_id_and_an_empty_client_are_none() -> None:
    query = one({"input": "a", "id": "", "client": ""})
    assert (query.id, query.client) == (None, None)
    assert one({"input": "a", "id": 0}).id == "0"


def test_a_number_as_id_is_its_text() -> None:
    assert one({"input": "a", "id": 12345678901234567890}).id == "12345678901234567890"


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        (1e10, 1e10),
    ],
)
def test_a_timestamp_is_seconds_or_a_text_with_its_zone(sent: Any, seconds: float) -> None:
    assert one({"input": "a", "timestamp": sent}).timestamp == seconds


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (-1, "timestamp: -1 is no number of seconds since 1970"),
        (1.1e10, "timestamp: 1.1e+10 is no number of seconds since 1970"),
        ("yesterday", "timestamp: 'yesterday' is no RFC 3339 time"),
        ("2024-01-01T00:00:00", "timestamp: '2024-01-01T00:00:00' has no time zone"),
        ("0001-01-01T00:00:00+23:59", "timestamp: -6.21357e+10 is no number of seconds since 1970"),
        (True, "timestamp: expected `float | str | null`, got `bool`"),
    ],
)
def test_a_timestamp_that_is_none_is_rejected(sent: Any, reason: str) -> None:
    rejection = rejected({"input": "a", "timestamp": sent})
    assert (rejection.code, rejection.reason) == ("wrong_type", reason)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 1.5),
        ("model", 5),
        ("client", ["c"]),
        ("version", 1),
        ("modality", "smell"),
        ("label", ["cat"]),
        ("latency_seconds", -1),
        ("latency_seconds", "1"),
        ("cost_dollars", -0.5),
        ("tokens", {"input": -1}),
        ("tokens", 5),
        ("error", 5),
        ("attributes", "x"),
    ],
)
def test_a_field_of_another_type_is_rejected_by_its_name(field: str, value: Any) -> None:
    rejection = rejected({"input": "a", field: value})
    assert rejection.code == "wrong_type"
    assert rejection.reason.startswith(field)


@pytest.mark.parametrize("record", [None, 5, "text", [], True])
def test_a_record_that_is_no_object_is_rejected(record: Any) -> None:
    rejection = rejected(record)
    assert rejection.code == "wrong_type"
    assert rejection.reason.startswith("the record: expected `object`")


def test_fields_that_nobody_knows_and_those_that_detectors_fill_are_left_out() -> None:
    query = one({"input": "a", "hash": "h", "embedding": [1], "colour": "red"})
    assert (query.hash, query.embedding) == (None, None)


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert native.decode_line(b'{"input":"a","input":"b"}', LIMITS).input_data == "b"


def test_attributes_of_two_queries_are_not_shared() -> None:
    first, second = one({"input": "a"}), one({"input": "b"})
    first.metadata["seen"] = True
    assert second.metadata == {}


def test_fields_that_are_decoded_already_give_the_same_query_as_json() -> None:
    fields = {"input": {"age": 25}, "output": [0.5, 0.5], "id": 5, "timestamp": "1970-01-01T00:00:09Z"}
    read, sent = native.from_fields(fields, LIMITS), one(fields)
    assert (read.input_data, read.model_output, read.id, read.timestamp) == ({"age": 25}, [0.5, 0.5], "5", 9.0)
    assert (sent.input_data, sent.model_output, sent.id, sent.timestamp) == ({"age": 25}, [0.5, 0.5], "5", 9.0)
    with pytest.raises(Refused, match="expected a field `input`"):
        native.from_fields({}, LIMITS)


def test_attributes_that_are_null_are_none() -> None:
    [query], rejections = native.decode(b'{"input": "a", "attributes": null}', Limits())
    assert (query.metadata, list(rejections)) == ({}, [])


def test_attributes_are_bounded_in_number() -> None:
    allowed = {str(number): 1 for number in range(native.MOST_ATTRIBUTES)}
    assert one({"input": "a", "attributes": allowed}).metadata == allowed
    _, [rejection] = native.decode(json.dumps({"input": "a", "attributes": {**allowed, "x": 1}}).encode(), LIMITS)
    assert (rejection.code, rejection.reason) == ("too_large", "attributes: 1001 of them, more than the 1000 allowed")


def test_the_last_of_duplicate_keys_counts() -> None:
    assert native.decode_line(b'{"input":"a","input":"b","client":"x","client":"y"}', LIMITS).client == "y"
    assert native.decode_line(b'{"input":"a","input":"b"}', LIMITS).input_data == "b"


def test_a_written_zero_byte_is_content_and_a_raw_one_is_no_json() -> None:
    assert native.decode_line(b'{"input":"a\\u0000b"}', LIMITS).input_data == "a\0b"
    with pytest.raises(Refused, match="no JSON object"):
        native.decode_line(b'{"input":"a\0b"}', LIMITS)
