"""Reading the history: pages, streams and sums, as typed rows, newest first.

Every function raises SQLAlchemyError when the database cannot be read. This module imports SQLAlchemy: import it late.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, false, select, tuple_

from exporter.history.database import Database
from exporter.history.minutes import SECONDS, Sums
from exporter.history.rows import ROWS, Kind, RollUp, Row
from exporter.history.schema import TABLES

#: rows that a cursor of the server hands over at a time
FETCH = 500
#: a minute is written so many seconds after its end at the latest, as a rule
LATE_SECONDS = 5


class Asked(NamedTuple):
    """Which rows. since, until: seconds since 1970, the latter left out. models: None for all.

    equal: by column, the value that it has.
    """

    since: float = 0.0
    until: float | None = None
    models: frozenset[str] | None = None
    equal: Mapping[str, Any] = {}


class Kept(NamedTuple):
    """A row as it is kept, with its key."""

    id: int
    row: Row

    def plain(self) -> dict[str, Any]:
        """As plain data; the key as a text, because numbers above 2^53 do not survive every reader of JSON."""
        return {"id": str(self.id), **msgspec.to_builtins(self.row)}


class Page(NamedTuple):
    """Some rows, and what to ask for to get the next ones; None where these are the last."""

    rows: list[Kept]
    cursor: str | None


def page(database: Database, kind: Kind, asked: Asked, limit: int, cursor: str | None = None) -> Page:
    """At most `limit` rows, behind a cursor. Raises ValueError for a cursor that is none."""
    statement = _chosen(kind, asked).limit(limit + 1)
    if cursor is not None:
        columns = TABLES[kind].c
        statement = statement.where(tuple_(columns.time, columns.id) < _position(cursor))
    with database.read() as connection:
        rows = [_kept(kind, row) for row in connection.execute(statement).mappings()]
    more = f"{rows[limit - 1].row.time!r}_{rows[limit - 1].id}" if len(rows) > limit else None
    return Page(rows[:limit], more)


def stream(database: Database, kind: Kind, asked: Asked, limit: int | None = None) -> Iterator[Kept]:
    """All rows, through a cursor of the server: however many there are, a few hundred are in memory."""
    with database.read() as connection:
        statement = _chosen(kind, asked).limit(limit).execution_options(yield_per=FETCH)
        with connection.execute(statement) as found:  # closed also where the reader goes away in the middle
            for row in found.mappings():
                yield _kept(kind, row)


def _chosen(kind: Kind, asked: Asked) -> Select:
    table = TABLES[kind]
    where = [table.c.time >= asked.since, *(table.c[name] == value for name, value in asked.equal.items())]
    if asked.until is not None:
        where.append(table.c.time < asked.until)
    if asked.models is not None:
        where.append(_among(table.c.model, asked.models))
    return select(table).where(*where).order_by(table.c.time.desc(), table.c.id.desc())


def _among(model: ColumnElement, models: frozenset[str]) -> ColumnElement[bool]:
    return model.in_(sorted(models)) if models else false()


def _position(cursor: str) -> tuple[float, int]:
    time, _, number = cursor.partition("_")
    position = float(time), int(number)
    if not (math.isfinite(position[0]) and -(2**63) <= position[1] < 2**63):
        raise ValueError(cursor)  # no database holds such a position
    return position


def _kept(kind: Kind, row: Mapping[Any, Any]) -> Kept:
    values = {str(name): value for name, value in row.items() if value is not None}
    return Kept(row["id"], msgspec.convert(values, ROWS[kind], builtin_types=(bytes,)))


# -- sums over minutes


class Window(Sums):
    """What came of some models between two times. start, seconds: its beginning and length."""

    def __init__(self, start: float, seconds: float) -> None:
        super().__init__()
        self.start, self.seconds = start, seconds

    @property
    def mean_latency(self) -> float | None:
        """Seconds; None where nobody said one."""
        count = self.sketch.buckets.total()
        return self.sum / count if count else None

    @property
    def error_rate(self) -> float | None:
        """Errors by query, 0 to 1; None without queries."""
        return self.errors / self.queries if self.queries else None

    def mean(self, resource: str) -> float | None:
        """The mean use of a resource, 0 to 1; None where nobody said it."""
        total, count = self.resources.get(resource, (0.0, 0))
        return total / count if count else None


def windows(database: Database, asked: Asked, seconds: float, now: float = math.inf) -> list[Window]:
    """The minutes added up into windows of a length, in order of time; windows without a query are left out.

    The first one is whole, though it may begin before what was asked for. One that is not over by now is as long as its
    minutes that are.
    """
    found: dict[float, Window] = {}
    for kept in stream(database, "rollups", asked._replace(since=asked.since // seconds * seconds)):
        assert isinstance(kept.row, RollUp)
        start = kept.row.time // seconds * seconds
        found.setdefault(start, Window(start, _length(start, seconds, now))).add(kept.row)
    return [found[start] for start in sorted(found)]


def _length(start: float, seconds: float, now: float) -> float:
    """How long a window is by now: a whole number of minutes, one at least."""
    if now >= start + seconds + LATE_SECONDS:
        return seconds
    return max((now - LATE_SECONDS) // SECONDS * SECONDS - start, SECONDS)


def rolled_up(database: Database, since: float) -> set[tuple[str, float]]:
    """The models and minutes from then on of which there are rows."""
    columns = TABLES["rollups"].c
    with database.read() as connection:
        rows = connection.execute(select(columns.model, columns.time).where(columns.time >= since).distinct())
        return {(model, time) for model, time in rows}


def whole(database: Database, asked: Asked) -> Window:
    """All minutes added up."""
    total = Window(asked.since, 0.0)
    for kept in stream(database, "rollups", asked):
        assert isinstance(kept.row, RollUp)
        total.add(kept.row)
    return total
