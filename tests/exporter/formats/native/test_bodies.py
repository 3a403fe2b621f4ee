"""An object, an array or lines: what is read out of a body, and where it was wrong."""

import json

import pytest

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable, native
from tests.exporter.formats.conftest import LIMITS, one


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
