import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.formats import Unreadable
from exporter.formats import split as module
from exporter.formats.split import TooLarge, items, lines

LIMIT = 1 << 20
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Dribble(io.BytesIO):
    """A stream that gives a byte at a time."""

    def read(self, size=-1):
        return super().read(1)


def elements(data, limit=LIMIT, stream=io.BytesIO):
    opening = stream(data)
    opening.seek(data.index(b"[") + 1)
    return list(items(opening, limit, opening.tell(), 1))


@given(st.lists(values, max_size=6), st.sampled_from([None, 2]), st.booleans(), st.sampled_from([io.BytesIO, Dribble]))
def test_elements_of_an_array_are_what_json_says(array, indent, ascii_only, stream):
    data = json.dumps(array, indent=indent, ensure_ascii=ascii_only).encode()
    found = elements(data, stream=stream)
    assert [json.loads(record.raw) for record in found] == array
    for record in found:
        assert data[record.offset : record.end] == record.raw
        assert record.line == 1 + data[: record.offset].count(b"\n")
        assert record.next_line == 1 + data[: record.end].count(b"\n")


@given(st.lists(values, min_size=1, max_size=5))
def test_reading_on_behind_an_element_gives_the_others(array):
    data = json.dumps(array, indent=1).encode()
    found = elements(data)
    for number, record in enumerate(found):
        rest = io.BytesIO(data)
        rest.seek(record.end)
        assert list(items(rest, LIMIT, record.end, record.next_line)) == found[number + 1 :]


@given(st.binary(max_size=100), st.integers(1, 30))
def test_any_bytes_give_elements_or_a_typed_error(data, limit):
    with contextlib.suppress(Unreadable):
        assert all(record.raw for record in elements(b"[" + data, limit))


def test_a_broken_element_takes_no_other_along():
    found = elements(b'[{"a": tru}, {"b": 1} {"c": 2},, 7, }, {"d": 3}]')
    assert [record.raw for record in found] == [b'{"a": tru}', b'{"b": 1}', b'{"c": 2}', b"7", b"}", b'{"d": 3}']


def test_an_array_that_is_not_closed_is_unreadable_behind_its_elements():
    found = items(io.BytesIO(b'{"a": 1},\n{"b": '), LIMIT, 1, 1)
    assert next(found).raw == b'{"a": 1}'
    with pytest.raises(Unreadable, match="line 2: the array is not closed"):
        next(found)


def test_text_behind_the_array_is_refused():
    first, after = elements(b'[{"a": 1}] junk')
    assert first.refused is None
    assert after.refused.code == "malformed"


def test_an_element_beyond_the_limit_ends_the_reading():
    with pytest.raises(TooLarge, match="an element of more than 1000 bytes"):
        elements(b'["' + b"x" * 1_000_000 + b'"]', limit=1000)


@given(st.binary(max_size=100), st.integers(1, 10))
def test_lines_cover_the_bytes_and_too_long_ones_are_refused(data, limit):
    end = 0
    for number, record in enumerate(lines(io.BytesIO(data), limit), 1):
        length = len(data[record.offset : record.end].removesuffix(b"\n"))
        assert record.offset == end
        assert record.line == number
        assert (record.refused is not None) == (length > limit)
        assert len(record.raw) <= limit + 1
        end = record.end
    assert end == len(data)


def test_a_line_without_an_end_is_looked_for_only_so_far(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_SKIP", 1000)
    monkeypatch.setattr(module, "BLOCK", 100)
    with pytest.raises(TooLarge, match="line 1 does not end within 1000 bytes"):
        list(lines(io.BytesIO(b"x" * 5000), 10))
