"""Deliveries as records of the journal."""

import contextlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import Query
from exporter import record
from exporter.delivery import Delivery
from exporter.sources.drop.positions import Identity, Position

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values, values, st.floats(0, 1e10) | st.none(), st.text() | st.none())
def test_what_is_encoded_comes_back(given_input, output, timestamp, name):
    query = Query(given_input, output, timestamp=timestamp, id=name, model=name, client=name, tokens={"input": 3})
    delivery = Delivery("drop", [query], received=7.5, own_time=True, sender="key")
    back = record.decode(record.encode(delivery, None))
    assert [getattr(back.queries[0], field) for field in Query.__struct_fields__] == [
        getattr(query, field) for field in Query.__struct_fields__
    ]
    assert (back.source, back.received, back.own_time, back.sender) == ("drop", 7.5, True, "key")


@pytest.mark.parametrize("dtype", ["u1", "<f4", "<f8", "<i8"])
def test_arrays_come_back_as_they_were(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    back = record.decode(record.encode(Delivery("drop", [Query({"embedding": array})], 1.0), None))
    found = back.queries[0].input_data["embedding"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_a_body_that_was_taken_whole_stands_as_it_was_pushed():
    body = b'{"input": "a", "id": 1}\n{"input": [1, 2.5], "output": [0.5, 0.5]}'
    written = record.encode(Delivery("push", [], 1.0), body)
    assert body in written
    assert [query.input_data for query in record.decode(written).queries] == ["a", [1, 2.5]]


def test_positions_and_reused_ids_come_back():
    queries = [Query("a"), Query("b", id="1")]
    position = Position("a.csv", Identity(1, 2, 3, 4), 10, 3, taken=2, ended=True)
    back = record.decode(record.encode(Delivery("drop", queries, 1.0, position=position, reused=[queries[1]]), None))
    assert msgspec.convert(back.position, Position) == position
    assert [query.id for query in back.reused] == ["1"]


def test_whole_numbers_beyond_64_bits_are_kept_as_floats():
    back = record.decode(record.encode(Delivery("push", [Query("a", metadata={"n": [1 << 70]})], 1.0), None))
    assert back.queries[0].metadata == {"n": [float(1 << 70)]}


@given(st.binary())
def test_garbage_is_a_typed_error_or_a_delivery(garbage):
    with contextlib.suppress(ValueError):
        assert isinstance(record.decode(garbage), Delivery)
