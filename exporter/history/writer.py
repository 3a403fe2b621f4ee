"""Rows into tables, a batch in one transaction. Writing the same batch again changes nothing."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from exporter.history.database import Database
from exporter.history.rows import Kind, Row
from exporter.history.schema import TABLES

#: what is wrong with the rows and not with the database
ROW_ERRORS = (DataError, IntegrityError, OverflowError)


class Prepared(NamedTuple):
    """A row as it goes into its table."""

    kind: Kind
    values: dict[str, Any]


def prepared(kind: Kind, row: Row, number: int) -> Prepared:
    """A row with its key, in values that every database takes."""
    return Prepared(kind, {"id": number, **clean(msgspec.to_builtins(row, builtin_types=(bytes,)))})


def clean(value: Any) -> Any:
    """Plain data without what a database or JSON refuses: numbers that are none, zero bytes, halves of characters."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _text(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def _text(value: str) -> str:
    return value.replace("\0", "�").encode("utf-8", "replace").decode()


def write(database: Database, batch: Sequence[Prepared]) -> list[Prepared]:
    """Write a batch; the rows that no table would take. Raises SQLAlchemyError when the database is the reason."""
    try:
        _write(database, batch)
    except (*ROW_ERRORS, StatementError) as error:
        if not _is_of_the_rows(error):
            raise
        if len(batch) == 1:
            return list(batch)
        middle = len(batch) // 2
        return write(database, batch[:middle]) + write(database, batch[middle:])
    return []


def _is_of_the_rows(error: Exception) -> bool:
    """Whether a batch failed because of its rows: what the driver raises, or SQLAlchemy before the driver sees it."""
    return isinstance(error, ROW_ERRORS) or type(error) is StatementError


def _write(database: Database, batch: Sequence[Prepared]) -> None:
    by_kind: dict[Kind, list[dict[str, Any]]] = defaultdict(list)
    for row in batch:
        by_kind[row.kind].append(row.values)
    with database.write() as connection:
        for kind, rows in by_kind.items():
            connection.execute(_insert(database, TABLES[kind]), rows)


def _insert(database: Database, table: Table) -> Any:
    """An insert that leaves alone what an attempt before has written, of which nobody was told."""
    if database.is_sqlite:
        return sqlite.insert(table).on_conflict_do_nothing(index_elements=["id"])
    return postgresql.insert(table).on_conflict_do_nothing(index_elements=["id"])
