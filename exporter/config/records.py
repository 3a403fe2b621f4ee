"""Plain data into typed records, with every error at the path of its key.

The types of the fields say what is expected: constraints by `msgspec.Meta`, and by `Form` how a value is written
and how people are told about it.
"""

import difflib
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, Literal, NamedTuple, Self, get_args, get_origin

import msgspec

from exporter.config.yaml_lines import Path, Report


class Form(NamedTuple):
    """How a value is written. words: for error texts and the docs. read: from what is written to what is kept.

    `read` raises ValueError for what it does not understand.
    """

    words: str
    read: Callable[[Any], Any] | None = None


def text_that(holds: Callable[[str], object]) -> Callable[[Any], Any]:
    """How a `Form` reads a text of which something has to hold: as it is, or not at all, with a ValueError.

    What is no text is returned as it is: its type is what is wrong with it.
    """

    def read(value: Any) -> Any:
        if isinstance(value, str) and not holds(value):
            raise ValueError(value)
        return value

    return read


WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}

#: a value that is there and wrong; why has been reported
WRONG = object()


class Record(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A section of a file. Unknown keys are errors; a key without a value counts as left out."""

    @classmethod
    def read(cls, data: Any, path: Path, report: Report) -> Self:
        """The record in plain data; what is wrong goes to `report` and is replaced by its default.

        A required key that is wrong becomes None: after a report, look at the record only to find more to report.
        """
        values = _fields(cls, data, path, report) if isinstance(data, dict) else None
        if values is None:
            report(path, f"expected {expected(cls)}, got {shown(data)}")
        blank = {field.name: None for field in msgspec.structs.fields(cls) if field.required}
        return cls(**{**blank, **(values or {})})


def _fields(cls: type[Record], data: dict[str, Any], path: Path, report: Report) -> dict[str, Any]:
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    values = {}
    for name, value in data.items():
        if name not in fields:
            report((*path, name), unknown("key", name, fields))
        elif value is not None:
            values[name] = convert(fields[name].type, value, (*path, name), report)
    for name, field in fields.items():
        if field.required and name not in values:
            report((*path, name), f"missing, expected {expected(field.type)}")
    return {name: value for name, value in values.items() if value is not WRONG}


def convert(kind: Any, value: Any, path: Path, report: Report) -> Any:
    """The value as this type, or WRONG once it is reported."""
    kind = _present(kind)
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind.read(value, path, report)
    if get_origin(kind) is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        return tuple(convert(item, entry, (*path, index), report) for index, entry in enumerate(value))
    try:
        form = _form(kind)
        return msgspec.convert(form.read(value) if form and form.read else value, kind)
    except ValueError:
        report(path, f"expected {expected(kind)}, got {shown(value)}{_hint(kind, value)}")
        return WRONG


def expected(kind: Any) -> str:
    """The type of a value in words."""
    kind = _present(kind)
    form = _form(kind)
    if form:
        return form.words
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return WORDS.get(kind) or ("a list" if get_origin(kind) is tuple else "a mapping")


def shown(value: Any) -> str:
    """What is written, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """That there is no such name, which there are, and which was perhaps meant."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"unknown {what}; known: {', '.join(names)}" + (f"; did you mean {near[0]}?" if near else "")


def _present(kind: Any) -> Any:
    """The type without None."""
    kinds = [one for one in get_args(kind) if one is not NoneType]
    return kinds[0] if NoneType in get_args(kind) else kind


def _form(kind: Any) -> Form | None:
    return next((one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Form)), None)


def _hint(kind: Any, value: Any) -> str:
    is_text = getattr(kind, "__origin__", kind) is str
    return "; put it in quotes" if is_text and isinstance(value, (int, float)) else ""
