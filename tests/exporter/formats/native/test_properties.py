"""What holds for every body: it is taken as it was sent, or refused with a reason."""

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
from exporter.delivery import Rejection
from exporter.formats import REJECTION_CODES, Refused, Unreadable, native
from soak.mutations import Mutations
from tests.exporter.formats.conftest import LIMITS, one

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
