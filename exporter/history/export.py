"""Rows as JSON or CSV, piece by piece, as they come from the database."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

#: rows of one piece
PIECE = 200
#: what makes a spreadsheet take a text for a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """`{name: [rows]}`, in pieces."""
    yield b'{"%s":[' % name.encode()
    before, rows = b"", iter(rows)
    while some := list(islice(rows, PIECE)):
        yield before + b",".join(map(msgspec.json.encode, some))
        before = b","
    yield b"]}"


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A header and a line a row (RFC 4180), in pieces. Mappings and lists are JSON within their cell."""
    rows = iter(rows)
    yield _lines([columns])
    while some := list(islice(rows, PIECE)):
        yield _lines([_cell(row.get(column)) for column in columns] for row in some)


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    # texts come from clients: none of them may be run by the spreadsheet of whoever opens the file
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
