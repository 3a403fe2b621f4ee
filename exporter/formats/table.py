"""CSV (RFC 4180): a header, and one row a query.

A column that is named like a native field is that field; all others are features of `input`: numbers where they read
as numbers, else texts; an empty cell is a missing value. `tokens` and `attributes` hold JSON; `output` holds a JSON
list or object, or else the text of a label. With a column `input` (always a text) the other columns are attributes.
"""

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from exporter.formats import Refused, Unreadable
from exporter.formats.split import Record

#: features of `input` are all columns but these
FIELDS = {
    *("id", "model", "version", "client", "timestamp", "modality", "input", "output", "label"),
    *("latency_seconds", "error", "tokens", "cost_dollars", "attributes"),
}
_CELL = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]*+)')
#: decimal notation; a whole number of at most 18 digits in the group, as longer ones gain nothing over floats
_NUMBER = re.compile(r"([+-]?[0-9]{1,18})\Z|[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def rows(lines: Iterable[Record], limit: int) -> Iterator[Record]:
    """Lines joined to rows: a line end inside quotes belongs to the cell. A row is bounded to `limit` bytes.

    Where quotes do not fit, only the first line is refused and reading goes on behind it, so that a stray quote does
    not take the rows after it along.
    """
    source, waiting = iter(lines), deque[Record]()
    while first := waiting.popleft() if waiting else next(source, None):
        run = [first]
        if first.refused is None and _is_open(first.raw):
            _extend(run, lambda: waiting.popleft() if waiting else next(source, None), limit)
        row = _joined(run)
        waiting.extendleft(reversed(run[1:] if row.end == first.end else []))
        yield row


def _extend(run: list[Record], pull: Callable[[], Record | None], limit: int) -> None:
    """Add lines until the quotes of the run are even, the limit is reached or a line is refused."""
    size = len(run[0].raw)
    while size <= limit and (line := pull()) is not None:
        run.append(line)
        size += len(line.raw)
        if line.refused or _is_open(line.raw):
            return


def _is_open(raw: bytes) -> bool:
    return raw.count(b'"') % 2 == 1


def _joined(run: list[Record]) -> Record:
    """The row of the lines, or their first line, refused."""
    first, last = run[0], run[-1]
    if len(run) == 1 and not _is_open(first.raw):
        return first
    raw = b"".join(line.raw for line in run)
    try:
        if last.refused or _is_open(raw):
            raise Refused("malformed", "a quote is not closed")
        cells(raw)
    except Refused as refused:
        return first._replace(refused=first.refused or refused)
    return Record(raw, first.line, first.offset, last.end, last.next_line)


def cells(raw: bytes) -> list[str]:
    """The cells of one row. Raises Refused for broken quoting and for what is not UTF-8."""
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refused("malformed", "not UTF-8") from None
    if '"' not in text and "\r" not in text:
        return text.split(",")
    values, at = [], -1
    while at < len(text):
        cell = _CELL.match(text, at + 1)
        assert cell is not None  # it matches the empty cell everywhere
        quoted, plain = cell.groups()
        values.append(plain if quoted is None else quoted.replace('""', '"'))
        at = cell.end()
        if text[at : at + 1] not in (",", ""):
            raise Refused("malformed", f"cell {len(values)}: a quote or a line end that does not fit")
    return values


def header(raw: bytes) -> list[str]:
    """The names of the columns. Raises Unreadable when one is empty or there twice."""
    try:
        names = [name.strip() for name in cells(raw)]
    except Refused as refused:
        raise Unreadable(f"the header: {refused.reason}") from None
    for number, name in enumerate(names, 1):
        if not name:
            raise Unreadable(f"the header: column {number} has no name")
        if name in names[: number - 1]:
            raise Unreadable(f"the header: two columns are named {name[:80]!r}")
    return names


def event(columns: list[str], raw: bytes) -> dict[str, Any]:
    """The native fields of one row. Raises Refused."""
    values = cells(raw)
    if len(values) != len(columns):
        raise Refused("malformed", f"{len(values)} cells, but the header names {len(columns)}")
    fields: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in zip(columns, values, strict=True):
        if value and name in FIELDS:
            fields[name] = _READ.get(name, _text)(name, value)
        elif value:
            others[name] = number_or_text(name, value)
    if "input" in columns:
        if others:
            fields["attributes"] = {**others, **fields.get("attributes", {})}
    elif others:
        fields["input"] = others
    if "input" not in fields:
        raise Refused("missing_field", "the column `input` or, without one, all features are empty")
    return fields


def number_or_text(name: str, value: str) -> int | float | str:
    """A number in decimal notation as such; anything else (also NaN, and what is beyond a float) as a text."""
    match = _NUMBER.fullmatch(value)
    if match is None:
        return value
    if match[1]:
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else value


def _text(name: str, value: str) -> str:
    return value


def _object(name: str, value: str) -> Any:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused("wrong_type", f"{name}: expected a JSON object")
    return found


def _output(name: str, value: str) -> Any:
    if value.lstrip()[:1] not in ("[", "{"):
        return {"label": value}
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise Refused("malformed", "output: no JSON list or object") from None


#: how a cell of a native field is read; as a text otherwise
_READ: dict[str, Callable[[str, str], Any]] = {
    "timestamp": number_or_text,
    "label": number_or_text,
    "latency_seconds": number_or_text,
    "cost_dollars": number_or_text,
    "tokens": _object,
    "attributes": _object,
    "output": _output,
}
