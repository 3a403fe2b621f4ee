"""A delivery as one record of the journal, and back.

A head (MessagePack: source, times, position) and the queries: as the JSON that was pushed, where all of it was taken,
else encoded one by one with their arrays. Samples are always as they were pushed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from detectors import Query
from exporter.config import Limits
from exporter.delivery import Delivery
from exporter.formats import Refused, Unreadable, custom, drift, feedback, inference, native

#: what is in the journal was within the limits when it was taken
_NO_LIMITS = Limits(body_queries=1 << 62, text_characters=1 << 62, vector_numbers=1 << 62, image_pixels=1 << 62)
ARRAY = 1
#: what comes of bytes that this version has not written: other fields, unknown types of arrays, places that are none
NOT_OURS = (
    msgspec.MsgspecError,
    Unreadable,
    Refused,
    TypeError,
    IndexError,
    OverflowError,
    RecursionError,
    SyntaxError,
)
#: how the samples of a source are read; all other sources hand over queries
SAMPLES: dict[str, Callable[[bytes, Limits], Sequence[Any]]] = {
    "inference": inference.decode,
    "custom": custom.decode,
    "feedback": feedback.decode,
    "drift": drift.decode,
}


class Head(msgspec.Struct, array_like=True, gc=False):
    """What a record says of its delivery besides the queries. reused: their places among the queries."""

    source: str
    received: float
    own_time: bool
    stream: str
    position: Any
    reused: list[int]
    is_json: bool
    explain: bool
    sender: str


def encode(delivery: Delivery, body: bytes | None) -> bytes:
    """The record of a delivery. body: JSON that holds just its queries, where there is one."""
    places = {id(query): place for place, query in enumerate(delivery.queries)} if delivery.reused else {}
    head = _encoder.encode(
        Head(
            delivery.source,
            delivery.received,
            delivery.own_time,
            delivery.stream,
            delivery.position,
            [places[id(query)] for query in delivery.reused],
            body is not None,
            delivery.explain,
            delivery.sender,
        )
    )
    return b"".join((len(head).to_bytes(4, "little"), head, _encode(delivery.queries) if body is None else body))


def _encode(queries: Sequence[Query]) -> bytes:
    fields = [[getattr(query, name) for name in _FIELDS] for query in queries]
    try:
        return _encoder.encode(fields)
    except OverflowError:  # whole numbers beyond 64 bits, from places where any number may stand
        return _encoder.encode(_within_64_bits(fields))


def decode(record: bytes) -> Delivery:
    """The delivery of a record. Raises ValueError when it is none of this version."""
    try:
        size = int.from_bytes(record[:4], "little")
        head = _heads.decode(record[4 : 4 + size])
        rest = record[4 + size :]
        queries: Sequence[Query] = ()
        samples: Sequence[Any] = ()
        if head.source in SAMPLES:
            samples = SAMPLES[head.source](rest, _NO_LIMITS)
        elif head.is_json:
            queries, rejections = native.decode(rest, _NO_LIMITS)
            if rejections:
                raise ValueError(rejections[0].reason)
        else:
            queries = [Query(*fields) for fields in _queries.decode(rest)]
        reused = [queries[place] for place in head.reused]
    except NOT_OURS as error:
        raise ValueError(f"no delivery: {error}") from None
    return Delivery(
        head.source,
        queries,
        head.received,
        own_time=head.own_time,
        position=head.position,
        stream=head.stream,
        reused=reused,
        explain=head.explain,
        sender=head.sender,
        samples=samples,
    )


def _array(value: Any) -> msgspec.msgpack.Ext:
    if isinstance(value, np.ndarray):
        head = _plain.encode((value.shape, value.dtype.str))
        return msgspec.msgpack.Ext(ARRAY, len(head).to_bytes(2, "little") + head + value.tobytes())
    raise NotImplementedError(f"{type(value).__name__} cannot stand in the journal")


def _from_ext(code: int, data: memoryview) -> Any:
    if code != ARRAY:
        raise ValueError(f"unknown extension {code}")
    size = int.from_bytes(data[:2], "little")
    shape, dtype = _plain_decoder.decode(data[2 : 2 + size])
    return np.frombuffer(bytes(data[2 + size :]), dtype).reshape(shape)


def _within_64_bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _within_64_bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_within_64_bits(item) for item in value]
    if type(value) is not int or -(1 << 63) <= value < 1 << 64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value >= 0 or -1)


#: what detectors fill is empty in the journal
_FIELDS = tuple(name for name in Query.__struct_fields__ if name not in ("hash", "embedding"))
_plain = msgspec.msgpack.Encoder()
_plain_decoder = msgspec.msgpack.Decoder(tuple[tuple[int, ...], str])
_encoder = msgspec.msgpack.Encoder(enc_hook=_array)
_heads = msgspec.msgpack.Decoder(Head)
_queries = msgspec.msgpack.Decoder(list[list[Any]], ext_hook=_from_ext)
