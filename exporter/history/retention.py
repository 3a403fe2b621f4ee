"""What is old, or too much, is deleted: a little at a time, so that no write waits long for it."""

from collections.abc import Iterator, Mapping

from sqlalchemy import Column, Table, delete, select

from exporter.history.database import Database
from exporter.history.schema import TABLES, alerts, audit

#: rows of one delete
CHUNK = 500
#: what goes first where there is too much: the bulk, of which roll-ups are left
ORDER = ("inference", "flagged_queries", "anomalies", "drift", "client_alarms", "rollups")


class Retention:
    """Deletes by age, then by size. ages: seconds that each kind of row, and `alerts`, is kept."""

    def __init__(self, database: Database, ages: Mapping[str, float], max_bytes: int) -> None:
        self._database, self._ages, self._max_bytes = database, ages, max_bytes
        #: a size that was acted on already: PostgreSQL fills the room of deleted rows before it grows again
        self._acted_on = 0

    def steps(self, now: float) -> Iterator[int]:
        """One small delete at each step: how many rows it took. Raises SQLAlchemyError."""
        for table, time, age in self._aged():
            while count := self._delete(table, time, now - age):
                yield count
        yield from self._shrink()

    def _aged(self) -> Iterator[tuple[Table, Column, float]]:
        for kind, table in TABLES.items():
            yield table, table.c.time, self._ages[kind]
        yield audit, audit.c.time, self._ages["alerts"]
        yield alerts, alerts.c.time, self._ages["alerts"]

    def _shrink(self) -> Iterator[int]:
        """Delete the oldest of what there is most of until the bound holds."""
        size = self._database.size_bytes()
        if self._database.is_sqlite:
            for kind in ORDER:
                table = TABLES[kind]  # type: ignore[index]
                while size > self._max_bytes and (count := self._delete(table, table.c.time)):
                    yield count
                    self._database.give_back(table.name)
                    size = self._database.size_bytes()
        elif size > max(self._max_bytes, self._acted_on):
            yield from self._delete_a_tenth()

    def _delete_a_tenth(self) -> Iterator[int]:
        """PostgreSQL does not shrink by deletes; a tenth of the rows makes room for as many new ones."""
        for table in TABLES.values():
            with self._database.read() as connection:
                newest = connection.execute(select(table.c.time).order_by(table.c.time.desc()).limit(1)).scalar()
                oldest = connection.execute(select(table.c.time).order_by(table.c.time).limit(1)).scalar()
            if oldest is not None and newest is not None and newest > oldest:
                while count := self._delete(table, table.c.time, oldest + (newest - oldest) / 10):
                    yield count
                self._database.give_back(table.name)
        self._acted_on = self._database.size_bytes()

    def _delete(self, table: Table, time: Column, before: float | None = None) -> int:
        """Delete the oldest rows, from before a time; how many."""
        oldest = select(table.c.id).order_by(time).limit(CHUNK)
        if before is not None:
            oldest = oldest.where(time < before)
        with self._database.write() as connection:
            return connection.execute(delete(table).where(table.c.id.in_(oldest.scalar_subquery()))).rowcount
