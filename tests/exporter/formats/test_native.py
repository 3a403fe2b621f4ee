"""The native event and the Monitaur request."""

import contextlib
import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Query
from exporter.config import Limits
from exporter.delivery import Rejection
from exporter.formats import REJECTION_CODES, Refused, TooMany, Unreadable, native
from soak.mutations import Mutations

LIMITS = Limits()


def one(event: Any, limits: Limits = LIMITS) -> Query:
    """The query of one event."""
    [query], rejections = native.decode(json.dumps(event).encode(), limits)
    assert rejections == []
    return query


def rejected(event: Any, limits: Limits = LIMITS) -> Rejection:
    """The rejection of one event, which is the same in a push and in a /detect."""
    queries, [rejection] = native.decode(json.dumps([event]).encode(), limits)
    assert queries == []
    with pytest.raises(Refused) as refused:
        native.decode_line(json.dumps(event).encode(), limits)
    assert (refused.value.code, refused.value.reason) == (rejection.code, rejection.reason)
    return rejection


# -- bodies


def test_an_object_an_array_and_lines_give_the_same_queries() -> None:
    events = [{"input": "a", "output": [0.5, 0.5]}, {"input": [1, 2], "id": "x"}]
    array, _ = native.decode(json.dumps(events).encode(), LIMITS)
    lines, _ = native.decode("\n".join(map(json.dumps, events)).encode(), LIMITS)
    objects = [one(event) for event in events]
    asked = [[(q.input_data, q.model_output, q.id) for q in queries] for queries in (array, lines, objects)]
    assert asked == [[("a", [0.5, 0.5], None), ([1.0, 2.0], None, "x")]] * 3


def test_an_object_may_go_over_many_lines() -> None:
    queries, rejections = native.decode(b'{\n  "input": "a",\n  "timestamp": 5\n}\n', LIMITS)
    assert ([q.input_data for q in queries], rejections) == (["a"], [])


def test_blank_lines_and_carriage_returns_between_records_are_no_records() -> None:
    queries, rejections = native.decode(b'\n{"input":"a"}\r\n\r\n   \n{"input":"b"}\n\n', LIMITS)
    assert ([q.input_data for q in queries], rejections) == (["a", "b"], [])


def test_an_empty_array_holds_nothing() -> None:
    assert native.decode(b" [] ", LIMITS) == ([], [])


@pytest.mark.parametrize("body", [b"", b" \n\t\n", b"\n"])
def test_an_empty_body_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="the body is empty"):
        native.decode(body, LIMITS)


@pytest.mark.parametrize("body", [b"hello", b"{", b'{"input": "a"', b"\x00\x01", b'{"input": NaN}', b'"\\ud800"'])
def test_a_body_that_is_no_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="no JSON object"):
        native.decode(body, LIMITS)


def test_a_monitaur_request_that_is_broken_behind_its_fields_is_malformed() -> None:
    for line in (b'{"input_data":"a"}x', b'{"input_data":"\xff"}', b'{"input_data":"a","b":' + b"[" * 2000 + b"}"):
        with pytest.raises(Refused) as refused:
            native.decode_line(line, LIMITS)
        assert refused.value.code == "malformed"


@pytest.mark.parametrize("body", [b"[", b'[{"input": "a"}', b'[{"input": "a"},]', b'[{"input": NaN}]', b"[] []"])
def test_a_broken_array_is_unreadable_as_a_whole(body: bytes) -> None:
    with pytest.raises(Unreadable, match="the body is no JSON array"):
        native.decode(body, LIMITS)


def test_a_line_that_is_no_json_is_malformed_while_the_others_count() -> None:
    queries, [rejection] = native.decode(b'{"input":"a"}\n{"input":\n{"input":"b"}\n', LIMITS)
    assert [q.input_data for q in queries] == ["a", "b"]
    assert (rejection.index, rejection.code) == (1, "malformed")
    assert rejection.reason.startswith("no JSON object: ")


def test_positions_are_lines_counted_from_0_blank_ones_included() -> None:
    _, rejections = native.decode(b'\n{"input":"a"}\n\n{"input":[]}\n{"nothing":1}\n', LIMITS)
    assert [rejection.index for rejection in rejections] == [3, 4]


def test_positions_are_right_when_only_values_are_wrong() -> None:
    _, rejections = native.decode(b'\n{"input":"a"}\n\n{"input":[]}\n\n{"input":{}}', LIMITS)
    assert [rejection.index for rejection in rejections] == [3, 5]


def test_objects_that_share_a_line_are_counted_one_by_one() -> None:
    queries, [rejection] = native.decode(b'{"input":"a"} {"input":[]}{"input":"b"}', LIMITS)
    assert [q.input_data for q in queries] == ["a", "b"]
    assert rejection.index == 1


def test_a_single_record_is_named_by_the_line_on_which_it_begins() -> None:
    for body in (b'\n{"input":[]}', b'\n{"input":5}', b"\n{}\n"):
        _, [rejection] = native.decode(body, LIMITS)
        assert rejection.index == 1


def test_more_records_than_a_body_may_hold_are_too_many_right_or_wrong() -> None:
    limits = Limits(body_queries=2)
    for record in (b'{"input":"a"}', b"{}", b"no JSON"):
        assert sum(map(len, native.decode(b'{"input":"a"}\n' + record, limits))) == 2
        with pytest.raises(TooMany, match="3 records in one body, more than the 2 allowed") as refused:
            native.decode(b"\n".join([record] * 3), limits)
        assert refused.value.records == 3
    with pytest.raises(TooMany):
        native.decode(b"[{},{},{}]", limits)


def test_an_object_over_more_lines_than_a_body_may_hold_records_is_one() -> None:
    [query], _ = native.decode(b'{"input":[\n1,\n2,\n3\n]}', Limits(body_queries=1))
    assert query.input_data == [1.0, 2.0, 3.0]


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "record",
    [
        b'{"input":"\xff"}',
        b'{"input":"a","id":"\xed\xa0\x80"}',
        b'{"input":{"\xff":1}}',
        b'{"input":"a","attributes":{"a":' + DEEP + b"}}",
        b'{"input":"a","unknown":' + DEEP + b"}",
    ],
    ids=["no UTF-8", "a surrogate as UTF-8", "a feature that is no UTF-8", "deep attributes", "a deep unknown field"],
)
def test_what_is_no_utf8_or_nested_without_end_is_malformed_while_the_others_count(record: bytes) -> None:
    with pytest.raises(Unreadable):
        native.decode(record, LIMITS)
    queries, [rejection] = native.decode(b'{"input":"a"}\n' + record + b'\n{"input":"b"}', LIMITS)
    assert [q.input_data for q in queries] == ["a", "b"]
    assert (rejection.index, rejection.code) == (1, "malformed")


def test_a_text_that_is_no_utf8_in_an_array_is_named_by_its_place() -> None:
    queries, [rejection] = native.decode(b'[{"input":"a"},{"input":"\xff"}]', LIMITS)
    assert [q.input_data for q in queries] == ["a"]
    assert (rejection.index, rejection.code) == (1, "malformed")


def test_an_array_that_is_nested_without_end_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="the body is no JSON array"):
        native.decode(DEEP, LIMITS)


# -- inputs


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


# -- answers


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


# -- the other fields


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


# -- properties

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(any)
_events = st.fixed_dictionaries(
    {
        "input": st.one_of(
            _texts,
            st.lists(_texts, min_size=1, max_size=3),
            st.lists(_numbers, min_size=1, max_size=5),
            st.dictionaries(_texts.map("f_".__add__), st.one_of(_numbers, _texts, st.booleans()), min_size=1),
        )
    },
    optional={
        "output": st.one_of(
            _probabilities,
            st.fixed_dictionaries({"logits": st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5)}),
            st.fixed_dictionaries({"text": _texts}),
        ),
        "id": _texts.map("i".__add__),
        "model": _texts,
        "client": _texts.map("c".__add__),
        "timestamp": st.floats(0, 1e10),
        "latency_seconds": st.floats(0, 1e6),
        "attributes": st.dictionaries(_texts, _texts, max_size=2),
    },
)
_sent_as = {
    "input": "input_data",
    "output": "model_output",
    "attributes": "metadata",
}
_bad_records = st.sampled_from([b"{}", b"5", b"null", b'{"input":5}', b'{"input":[]}', b'{"input":"a","output":[7]}'])


@given(_events)
@settings(deadline=None)
def test_what_is_valid_comes_back_as_it_was_sent(event: dict[str, Any]) -> None:
    query = one(event)
    for field, value in event.items():
        assert getattr(query, _sent_as.get(field, field)) == value


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=40).map(b'{"input":'.__add__)))
@settings(deadline=None, max_examples=300)
def test_garbage_raises_nothing_but_the_typed_errors(body: bytes) -> None:
    _taken_or_refused(body)


@given(_events, st.data())
@settings(deadline=None, max_examples=300)
def test_a_valid_event_with_a_wrong_byte_raises_nothing_but_the_typed_errors(event: Any, data: st.DataObject) -> None:
    body = bytearray(json.dumps(event).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _taken_or_refused(bytes(body))


@pytest.mark.parametrize("seed", range(5))
def test_valid_bodies_of_every_kind_with_changes_raise_nothing_but_the_typed_errors(seed: int) -> None:
    mutations = Mutations(seed)
    for body in (mutations.next().body for _ in range(600)):
        _decoded(body)
        with contextlib.suppress(Refused):
            native.decode_line(body, LIMITS)


def _taken_or_refused(body: bytes) -> None:
    for wrapped in (body, b"[" + body + b"]", b'{"input":"a"}\n' + body):
        queries, rejections = _decoded(wrapped)
        assert all(isinstance(query.input_data, (str, list, dict, np.ndarray)) for query in queries)
        assert all(query.timestamp is None or math.isfinite(query.timestamp) for query in queries)
        assert all(rejection.code in REJECTION_CODES and rejection.reason for rejection in rejections)


def _decoded(body: bytes) -> tuple[list[Query], list[Rejection]]:
    """What a body and its bytes as one record come to, together."""
    try:
        queries, rejections = native.decode(body, LIMITS)
    except Unreadable as error:
        queries, rejections = [], [Rejection(0, "malformed", str(error))]
    try:
        return [*queries, native.decode_line(body, LIMITS)], rejections
    except Refused as refused:
        return queries, [*rejections, Rejection(0, refused.code, refused.reason)]


@given(st.lists(st.one_of(_events, _bad_records), min_size=1, max_size=12), st.booleans(), st.data())
@settings(deadline=None)
def test_bad_records_are_named_by_their_positions_and_the_others_taken(
    records: list[Any], as_array: bool, data: st.DataObject
) -> None:
    written = [record if isinstance(record, bytes) else msgspec.json.encode(record) for record in records]
    if as_array:
        body, places = b"[" + b", ".join(written) + b"]", list(range(len(written)))
    else:
        lines, places = [], []
        for record in written:
            lines += [b""] * data.draw(st.integers(0, 2))
            places.append(len(lines))
            lines.append(record)
        body = b"\n".join(lines)
    queries, rejections = native.decode(body, LIMITS)
    bad = [place for place, record in zip(places, records, strict=True) if isinstance(record, bytes)]
    assert [rejection.index for rejection in rejections] == bad
    good = [record["input"] for record in records if not isinstance(record, bytes)]
    assert [query.input_data for query in queries] == good


def test_attributes_that_are_null_are_none() -> None:
    [query], rejections = native.decode(b'{"input": "a", "attributes": null}', Limits())
    assert (query.metadata, list(rejections)) == ({}, [])


# -- names and attributes

LONG = "n" * (native.NAME_CHARACTERS + 1)


@pytest.mark.parametrize("field", native.NAMES)
@pytest.mark.parametrize("content", [{"input": "a"}, {"input_data": "a"}])
def test_a_long_name_is_shortened_so_that_nobody_can_have_queries_rejected(field: str, content: dict[str, Any]) -> None:
    found, other = (getattr(one({**content, field: LONG + end}), field) for end in ("a", "b"))
    assert len(found) == native.NAME_CHARACTERS
    assert found.startswith("nnn")
    assert found != other
    assert found == getattr(one({**content, field: found}), field)


def test_long_names_are_shortened_wherever_they_come_from() -> None:
    body = json.dumps({"input": "a", "id": LONG, "client": LONG, "model": LONG}).encode()
    [pushed], _ = native.decode(body, LIMITS)
    [_, in_array], _ = native.decode(b'[{"input":"b"},' + body + b"]", LIMITS)
    from_file = native.from_fields(json.loads(body), LIMITS)
    for query in (pushed, in_array, from_file):
        assert {query.id, query.client, query.model} == {native.short_name(LONG)}
    assert one({"input": "a", "id": 10**300}).id == native.short_name(str(10**300))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b'{"client":"%b","input":5}', "wrong_type"),
        (b'{"client":"%b"}', "missing_field"),
        (b'{"client":"%b","input":', "malformed"),
        (b'{"client":"%b","input_data":5}', "wrong_type"),
        (b'{"input_data":"a","client":"%b","modality":"x"}', "wrong_type"),
        (b'{"client":"%b","input":"a","x":"\\ud800"}', "malformed"),
    ],
)
def test_what_else_is_wrong_with_a_record_of_a_long_name_is_still_found(event: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        native.decode_line(event % LONG.encode(), LIMITS)
    assert refused.value.code == code


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
