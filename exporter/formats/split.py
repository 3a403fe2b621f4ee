"""A stream of bytes into records with their places: lines, or the elements of a JSON array. Memory is bounded."""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from exporter.formats import Refused, Unreadable

BLOCK = 1 << 16
#: what is passed over in search of the end of a line that is too long
LONGEST_SKIP = 64 << 20

#: a string (its closing quote in the group, if it is there) or a bracket; possessive, so that no input makes it slow
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(")?|[\[\]{}]', re.DOTALL)
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'\{(?:[^{}"]++|' + _STRING + rb")*+\}"
#: an object with objects in it one level deep at most: nearly all elements, found in one go
_OBJECT = re.compile(rb'\{(?:[^{}"]++|' + _STRING + rb"|" + _FLAT + rb")*+\}", re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\[\]{}"]++|\}')
_BETWEEN = re.compile(rb"[\s,]*+")


class Record(NamedTuple):
    """Bytes of one record and where they stand; `refused` says why it cannot be decoded.

    line: number of the line of its first byte, from 1. offset, end: bytes before it, and up to what follows it.
    next_line: number of the line on which `end` is.
    """

    raw: bytes
    line: int
    offset: int
    end: int
    next_line: int
    refused: Refused | None = None


class TooLarge(Unreadable):
    """A record so large that the one after it is not looked for."""


def lines(stream: BinaryIO, limit: int, offset: int = 0, line: int = 1) -> Iterator[Record]:
    """The lines of a stream that stands at `offset`, with their line ends. One beyond `limit` bytes is cut and refused.

    Raises TooLarge where no line end follows within 64 MiB.
    """
    while raw := stream.readline(limit + 1):
        end, refused = offset + len(raw), None
        if len(raw) > limit and not raw.endswith(b"\n"):
            end, refused = end + _skip_line(stream, line), Refused("too_large", f"a line of more than {limit} bytes")
        yield Record(raw, line, offset, end, line + 1, refused)
        offset, line = end, line + 1


def _skip_line(stream: BinaryIO, line: int) -> int:
    skipped = 0
    while block := stream.readline(BLOCK):
        skipped += len(block)
        if block.endswith(b"\n"):
            break
        if skipped > LONGEST_SKIP:
            raise TooLarge(f"line {line} does not end within {LONGEST_SKIP} bytes")
    return skipped


def items(stream: BinaryIO, limit: int, offset: int, line: int) -> Iterator[Record]:
    """The elements of a JSON array whose stream stands behind its `[`, or behind an element.

    Raises TooLarge for an element beyond `limit` bytes, and Unreadable when the array is not closed.
    """
    buffer, at = b"", 0
    while True:
        between = _end(_BETWEEN, buffer, at)
        offset, line, at = offset + between - at, line + buffer.count(b"\n", at, between), between
        if at < len(buffer) and buffer[at] == ord("]"):
            rest = buffer[at + 1 :] + stream.read(BLOCK)
            if rest.strip():
                refused = Refused("malformed", "text after the end of the array")
                yield Record(rest, line, offset + 1, offset + 1 + len(rest), line, refused)
            return
        end = _end_of_element(buffer, at)
        if end is not None and end - at <= limit:
            raw, start = buffer[at:end], line
            line += raw.count(b"\n")
            yield Record(raw, start, offset, offset + len(raw), line)
            offset, at = offset + len(raw), end
            continue
        if len(buffer) - at > limit:
            raise TooLarge(f"line {line}: an element of more than {limit} bytes")
        more = stream.read(max(BLOCK, len(buffer) - at))  # doubles, so that looking again at the start stays linear
        if not more:
            raise Unreadable(f"line {line}: the array is not closed")
        buffer, at = buffer[at:] + more, 0


def _end(pattern: re.Pattern[bytes], buffer: bytes, at: int) -> int:
    match = pattern.match(buffer, at)
    return match.end() if match else at


def _end_of_element(buffer: bytes, at: int) -> int | None:
    """Where the element that begins at `at` ends; None when the buffer does not hold all of it."""
    if at == len(buffer):
        return None
    if scalar := _SCALAR.match(buffer, at):
        return scalar.end() if scalar.end() < len(buffer) else None
    if plain := _OBJECT.match(buffer, at):
        return plain.end()
    depth = 0
    for token in _TOKEN.finditer(buffer, at):
        first = token[0][:1]
        if first == b'"':
            if token[1] is None:
                return None
        else:
            depth += 1 if first in b"{[" else -1
        if depth <= 0:
            return token.end()
    return None
