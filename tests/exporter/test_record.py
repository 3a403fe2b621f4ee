"""Deliveries as records of the journal."""

import contextlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Query
from exporter import record
from exporter.config import Limits
from exporter.delivery import Delivery
from exporter.formats import TooMany, Unreadable, native
from exporter.sources.drop.positions import Identity, Position
from soak.mutations import Mutations

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
    sent = {"n": [1 << 70, 10**400, -(10**400)]}
    back = record.decode(record.encode(Delivery("push", [Query("a", metadata=sent)], 1.0), None))
    assert back.queries[0].metadata == {"n": [float(1 << 70), float("inf"), float("-inf")]}


@pytest.mark.parametrize("seed", range(3))
def test_what_was_taken_of_hostile_bodies_comes_back_from_their_records(seed):
    mutations = Mutations(seed)
    for body in (mutations.next().body for _ in range(500)):
        with contextlib.suppress(Unreadable, TooMany):
            queries, rejections = native.decode(body, Limits())
            delivery = Delivery("push", queries, 1.0)
            for written in (None, *([body] if queries and not rejections else [])):
                back = record.decode(record.encode(delivery, written))
                assert len(back.queries) == len(queries)
                assert [query.id for query in back.queries] == [query.id for query in queries]


@given(st.booleans(), st.data())
@settings(deadline=None)
def test_a_changed_record_is_a_typed_error_or_a_delivery(as_pushed, data):
    query = Query({"embedding": np.arange(4, dtype="<f4")}, [0.5, 0.5], id="1")
    delivery = Delivery("push", [query], 1.0, position=[1], reused=[query])
    written = bytearray(record.encode(delivery, b'{"input": "a", "id": 1}' if as_pushed else None))
    for _ in range(data.draw(st.integers(1, 3))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        assert isinstance(record.decode(bytes(written)), Delivery)


@given(st.binary())
def test_garbage_is_a_typed_error_or_a_delivery(garbage):
    with contextlib.suppress(ValueError):
        assert isinstance(record.decode(garbage), Delivery)
