"""The native event: a JSON object, an array of them, or one a line; and the Monitaur request.

Both are decoded straight into the Query that the detectors see. The fast way takes a body whole; only when a record
of it is wrong is it taken apart, so that the others still count and the wrong one is named by its position.
"""

import contextlib
import math
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from itertools import islice
from typing import Annotated, Any, Literal, get_args

import msgspec

from detectors import InvalidQuery, Query
from detectors.outputs import distribution, has_probabilities
from exporter.config import Limits
from exporter.delivery import Rejection
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.inputs import read_input

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
#: characters of an id, model, client or version; longer ones are shortened, because whoever chooses a name could have
#: its queries rejected, and so go unwatched
NAME_CHARACTERS = 256
NAMES = ("id", "model", "client", "version")
#: attributes of one event
MOST_ATTRIBUTES = 1_000
Name = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS)]
Whole = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Scalar = str | float | bool | None
Modality = Literal["text", "image", "tabular", "embedding", "auto", "llm", "cv"]
Amount = Annotated[float, msgspec.Meta(ge=0)]
#: JSON numbers beyond this are no times: the year 2286
LAST_TIMESTAMP = 1e10


class Tokens(msgspec.Struct, gc=False):
    """Tokens read and written."""

    input: Whole = 0
    output: Whole = 0


_UNSENDABLE = {"hash": "-hash", "embedding": "-embedding"}


class Event(Query, gc=False, eq=False, kw_only=True, rename=_UNSENDABLE):
    """A query with the types of the wire; the fields that detectors fill cannot be sent."""

    timestamp: float | str | None = None  # type: ignore[assignment]
    id: Name | int | None = None  # type: ignore[assignment]
    model: Name | None = None
    client: Name | None = None
    label: Scalar = None
    modality: Modality | None = None
    version: Name | None = None
    latency_seconds: Amount | None = None
    error: str | None = None
    tokens: Tokens | None = None  # type: ignore[assignment]
    cost_dollars: Amount | None = None
    hash: None = None
    embedding: None = None


Input = str | list[str | float] | dict[str, Any]
Output = list[Probability] | dict[str, Any] | None


class NativeEvent(
    Event,
    gc=False,
    eq=False,
    kw_only=True,
    rename={"input_data": "input", "model_output": "output", "metadata": "attributes"},
):
    """`{"input", "output", "attributes", ...}`"""

    input_data: Input
    model_output: Output = None
    metadata: dict[str, Any] | None = msgspec.field(default_factory=dict)  # type: ignore[assignment]


class MonitaurEvent(Event, gc=False, eq=False, kw_only=True):
    """`{"input_data", "model_output", "modality", ...}`"""

    input_data: Input
    model_output: Output = None


_one = msgspec.json.Decoder(NativeEvent)
_array = msgspec.json.Decoder(list[NativeEvent])
_monitaur = msgspec.json.Decoder(MonitaurEvent)
_records = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, Any])
_any = msgspec.json.Decoder(msgspec.Raw)
#: what msgspec says of a name that is too long
_LONG_NAME = f"length <= {NAME_CHARACTERS}"
_MODALITIES = {"llm": "text", "cv": "image", "auto": None}
#: what msgspec raises on bytes from outside: no JSON or other types, no UTF-8, nested too deeply
BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode(body: bytes, limits: Limits) -> tuple[Sequence[Query], list[Rejection]]:
    """Queries of a whole body, in order, and what was rejected of it.

    Raises Unreadable when it is no JSON at all, and TooMany beyond limits.body_queries, the wrong ones included.
    """
    is_array = body.lstrip()[:1] == b"["
    if body.count(b"{") > limits.body_queries:  # to count them costs a tenth of decoding them
        _check_count(body, is_array, limits.body_queries)
    try:
        events = _array.decode(body) if is_array else _one.decode_lines(body)
    except BROKEN:
        return _record_by_record(body, limits)
    if len(events) > limits.body_queries:
        raise TooMany(len(events), limits.body_queries)
    rejections: list[Rejection] = []
    if odd := [index for index, event in enumerate(events) if not _is_plain(event, limits.text_characters)]:
        events, rejections = _finish_each(events, odd, body, limits)
    if not body.strip():
        raise Unreadable("the body is empty; expected a JSON object, an array of them, or one a line")
    return events, rejections


def _check_count(body: bytes, is_array: bool, limit: int) -> None:
    """Raises TooMany; a body that is no JSON is looked at later."""
    with contextlib.suppress(*BROKEN):
        found = len(_records.decode(body) if is_array else _any.decode_lines(body))
        if found > limit:
            raise TooMany(found, limit)


def decode_line(line: bytes, limits: Limits) -> Query:
    """The query of one JSON object. Raises Refused."""
    try:
        event: Event = _one.decode(line)
    except BROKEN as error:
        event = _other_shape(line, error)
    if not _is_plain(event, limits.text_characters):
        _finish(event, limits)
    return event


def from_fields(fields: dict[str, Any], limits: Limits) -> Query:
    """The query of native fields that are decoded already. Raises Refused."""
    try:
        event = msgspec.convert(_with_short_names(fields), NativeEvent)
    except msgspec.ValidationError as error:
        raise _refused(error) from None
    _finish(event, limits)
    return event


def _is_plain(event: Event, longest: int) -> bool:
    """Whether nothing is left to check or to convert: a text within bounds, with probabilities or none."""
    return (
        type(event.input_data) is str
        and len(event.input_data) <= longest
        and event.timestamp is None
        and event.modality is None
        and event.tokens is None
        and event.metadata is not None
        and len(event.metadata) <= MOST_ATTRIBUTES
        and type(event.id) is not int
        and event.id != ""
        and event.client != ""
        and (event.model_output is None or (type(event.model_output) is list and any(event.model_output)))
    )


def _finish_each(
    events: list[NativeEvent], odd: list[int], body: bytes, limits: Limits
) -> tuple[list[NativeEvent], list[Rejection]]:
    """Finish the events that are not plain; those that stand, and the others with their positions."""
    rejections: list[Rejection] = []
    refused = set()
    for index in odd:
        try:
            _finish(events[index], limits)
        except Refused as error:
            refused.add(index)
            rejections.append(Rejection(index, error.code, error.reason))
    if refused:
        places = positions(body, len(events))
        rejections = [Rejection(places[wrong.index], wrong.code, wrong.reason) for wrong in rejections]
        events = [event for index, event in enumerate(events) if index not in refused]
    return events, rejections


def positions(body: bytes, records: int) -> list[int]:
    """Position of each record in the body: its place in an array, its line (from 0) otherwise."""
    lines = [number for number, line in enumerate(body.split(b"\n")) if line.strip()]
    if body.lstrip()[:1] == b"[" or len(lines) != records:  # objects that share a line, or go over many
        return list(range(records))
    return lines


def _record_by_record(body: bytes, limits: Limits) -> tuple[list[Query], list[Rejection]]:
    queries: list[Query] = []
    rejections: list[Rejection] = []
    for index, record in _taken_apart(body, limits.body_queries):
        try:
            queries.append(decode_line(record, limits))
        except Refused as refused:
            rejections.append(Rejection(index, refused.code, refused.reason))
    if not queries and all(rejection.code == "malformed" for rejection in rejections):
        raise Unreadable(rejections[0].reason if rejections else "the body is empty")
    return queries, rejections


def _taken_apart(body: bytes, limit: int) -> Sequence[tuple[int, Any]]:
    """The records of a body with their positions, not decoded yet."""
    if body.lstrip()[:1] == b"[":
        return list(enumerate(_array_records(body, limit)))
    if is_json(body):  # one object, maybe over many lines
        blank = body[: len(body) - len(body.lstrip())]
        return [(blank.count(b"\n"), body)]
    lines = ((number, line) for number, line in enumerate(BytesIO(body)) if line.strip())
    records = list(islice(lines, limit + 1))
    if len(records) > limit:  # however many more there are
        raise TooMany(len(records), limit)
    return records


def _array_records(body: bytes, limit: int) -> list[Any]:
    try:
        records = _records.decode(body)
    except BROKEN as error:
        raise Unreadable(f"the body is no JSON array: {_lower(error)}") from None
    if len(records) > limit:
        raise TooMany(len(records), limit)
    return records


def is_json(text: bytes) -> bool:
    """Whether a text is one JSON value, of whatever kind."""
    try:
        _any.decode(text)
    except BROKEN:
        return False
    return True


def _other_shape(line: bytes, error: Exception) -> Event:
    """An event with names that are too long, or the Monitaur request. Raises Refused if it is neither."""
    if isinstance(error, msgspec.ValidationError) and "missing required field `input`" in str(error):
        try:
            return _monitaur.decode(line)
        except BROKEN as second:
            if "missing required field `input_data`" not in str(second):
                error = second
    if _LONG_NAME not in str(error):
        raise _refused(error) from None
    return _with_long_names(line)


def _with_long_names(line: bytes) -> Event:
    """The event of a JSON object that has a name beyond NAME_CHARACTERS. Raises Refused."""
    try:
        shorter = msgspec.json.encode(_with_short_names(_object.decode(line)))
    except BROKEN as error:  # behind the name
        raise _refused(error) from None
    try:
        return _one.decode(shorter)
    except BROKEN as error:
        return _other_shape(shorter, error)  # whose names are short


def _with_short_names(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with names of NAME_CHARACTERS at most."""
    long = {name: fields[name] for name in NAMES if isinstance(fields.get(name), str)}
    return {**fields, **{name: short_name(text) for name, text in long.items()}}


def short_name(text: str) -> str:
    """The text, or of a long one the beginning and its SHA-256, so that different names stay different."""
    if len(text) <= NAME_CHARACTERS:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[: NAME_CHARACTERS - 1 - len(digest)]}:{digest}"


def _refused(error: Exception) -> Refused:
    text = str(error)
    if isinstance(error, RecursionError):
        return Refused("malformed", "no JSON object: nested too deeply")
    if not isinstance(error, msgspec.ValidationError) and "out of range" not in text:
        return Refused("malformed", f"no JSON object: {_lower(error)}")
    if "missing required field" in text:
        return Refused("missing_field", "expected a field `input` (a text, a list, a mapping of features or an image)")
    what, _, path = text.partition(" - at ")
    path = path.strip("`").removeprefix("$.").removeprefix("$") or "the record"
    if path.startswith(("output", "model_output")) and ("Expected `float`" in what or "out of range" in what):
        return Refused(
            "invalid_output",
            f"{path}: {_lower(what)}; a list holds probabilities (0 to 1); for scores before the softmax send "
            '{"logits": [...]}',
        )
    if "Invalid enum value" in what:
        return Refused("wrong_type", f"{path}: expected one of {', '.join(get_args(Modality))}")
    return Refused("wrong_type", f"{path}: {_lower(what)}")


def _lower(error: object) -> str:
    text = str(error)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _finish(event: Event, limits: Limits) -> None:
    """Check what the types cannot say, and turn the input into what detectors take. Raises Refused."""
    if type(event.id) is int:
        event.id = short_name(str(event.id))
    # what senders write who have none: as a name it would make all their queries one
    event.id, event.client = event.id or None, event.client or None
    if event.metadata is None:
        event.metadata = {}
    if len(event.metadata) > MOST_ATTRIBUTES:
        count = len(event.metadata)
        raise Refused("too_large", f"attributes: {count} of them, more than the {MOST_ATTRIBUTES} allowed")
    if event.modality is not None:
        event.modality = _MODALITIES.get(event.modality, event.modality)  # type: ignore[assignment]
    if event.timestamp is not None:
        event.timestamp = timestamp(event.timestamp)
    if isinstance(event.tokens, Tokens):
        event.tokens = msgspec.structs.asdict(event.tokens)  # type: ignore[assignment]
    event.input_data = read_input(event.input_data, limits)
    if event.model_output is not None and has_probabilities(event.model_output):
        try:
            distribution(event.model_output)
        except InvalidQuery as error:
            raise Refused("invalid_output", f"output: {error.message}") from None


def timestamp(value: float | str) -> float:
    """Seconds since 1970 from a number or an RFC 3339 text with its zone. Raises Refused."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise Refused("wrong_type", f"timestamp: {value[:40]!r} is no RFC 3339 time") from None
        if moment.tzinfo is None:
            raise Refused("wrong_type", f"timestamp: {value[:40]!r} has no time zone")
        value = moment.timestamp()
    if not (math.isfinite(value) and 0 <= value <= LAST_TIMESTAMP):
        raise Refused("wrong_type", f"timestamp: {value:g} is no number of seconds since 1970")
    return value
