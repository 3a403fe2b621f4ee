"""Samples of inferences: what a service measured of a model, without the query. One JSON object, or an array of them.

The wire is that of the servers that people come from: latencies in milliseconds, shares from 0 to 1. All of a body is
taken, or none.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.native import BROKEN, Amount, Tokens, is_json

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
#: up to eleven days: what is longer is no latency
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
MODEL_TYPES = ("llm", "cv", "tabular")


class Resources(msgspec.Struct, gc=False):
    """Shares of what there is."""

    gpu_memory: Part | None = None
    cpu_usage: Part | None = None
    memory_usage: Part | None = None


class Sample(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """One inference as its service measured it. latency, time_to_first_token: ms; throughput: inferences a second."""

    model_id: Name
    model_type: Literal["llm", "cv", "tabular"]
    request_id: Name
    latency: Milliseconds
    throughput: Amount | None = None
    error_rate: Part | None = None
    resource_usage: Resources | None = None
    tags: dict[str, str | float | bool | None] | None = None
    error: str | None = None
    tokens: Tokens | None = None
    cost_dollars: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    gpu_seconds: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    time_to_first_token: Milliseconds | None = None
    client: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    instance: Annotated[str, msgspec.Meta(max_length=1024)] | None = None

    @property
    def pushed_by(self) -> str:
        """The instance that measured it: the field, else a tag of that name, else empty."""
        return self.instance or (str(self.tags.get("instance") or "") if self.tags else "")


_one = msgspec.json.Decoder(Sample)
_array = msgspec.json.Decoder(list[Sample])


def decode(body: bytes, limits: Limits) -> Sequence[Sample]:
    """The samples of a body. Raises Unreadable when it is no JSON, TooMany, and Refused when any of it is wrong."""
    try:
        if body[:1] == b"{":
            return (_one.decode(body),)
        samples = _array.decode(body) if body.lstrip()[:1] == b"[" else (_one.decode(body),)
    except BROKEN as error:
        raise _refused(body, error) from None
    if len(samples) > limits.body_queries:
        raise TooMany(len(samples), limits.body_queries)
    return samples


def _refused(body: bytes, error: Exception) -> Exception:
    return refused(body, error, MODEL_TYPES)


def refused(body: bytes, error: Exception, words: Sequence[str]) -> Refused | Unreadable:
    """Why a body cannot be taken, naming the field. words: what a field that takes one of some words takes."""
    if not body.strip():
        return Unreadable("the body is empty; expected a JSON object, or an array of them")
    if not isinstance(error, msgspec.ValidationError):
        if "out of range" in str(error):
            return Refused("wrong_type", "a number is out of range")
        if isinstance(error, (RecursionError, UnicodeDecodeError)) or not is_json(body):
            return Unreadable("the body is no JSON object and no array of them")
    what, _, path = str(error).partition(" - at ")
    path = path.strip("`").removeprefix("$").removeprefix(".")
    if "missing required field" in what:
        field = what.split("`")[1]
        return Refused("missing_field", f"{path + '.' if path else ''}{field}: missing")
    if "Invalid enum value" in what:
        return Refused("wrong_type", f"{path}: expected one of {', '.join(words)}")
    return Refused("wrong_type", f"{path or 'the body'}: {_lower(what)}")


def _lower(what: str) -> str:
    return what[:1].lower() + what[1:]
