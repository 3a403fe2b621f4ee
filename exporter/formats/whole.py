"""Bodies of one JSON object, or an array of them, of which all is taken, or none."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.native import BROKEN, is_json

Found = TypeVar("Found")


class Whole(Generic[Found]):
    """Decodes bodies of records of one type.

    words: from msgspec's text of a problem to the words that the field takes which takes one of some words.
    """

    def __init__(self, kind: type[Found], words: Callable[[str], Sequence[str]]) -> None:
        self._one, self._array = msgspec.json.Decoder(kind), msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._words = words

    def decode(self, body: bytes, limits: Limits) -> Sequence[Found]:
        """The records of a body. Raises Unreadable when it is no JSON, TooMany, and Refused when any of it is wrong."""
        try:
            if body[:1] == b"{":
                return (self._one.decode(body),)
            found = self._array.decode(body) if is_array(body) else (self._one.decode(body),)
        except BROKEN as error:
            raise refused(body, error, self._words(str(error))) from None
        if len(found) > limits.body_queries:
            raise TooMany(len(found), limits.body_queries)
        return found


def is_array(body: bytes) -> bool:
    """Whether a body begins like an array."""
    return body.lstrip()[:1] == b"["


def refused(body: bytes, error: Exception, words: Sequence[str]) -> Refused | Unreadable:
    """Why a body cannot be taken, naming the field."""
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
