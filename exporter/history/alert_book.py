"""The alerts that were heard of: their true state as Alertmanager tells it, and what people said of them.

Every method raises SQLAlchemyError when the database cannot be had. This module imports SQLAlchemy: import it late.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from exporter.history.alertmanager import is_ours
from exporter.history.database import Database
from exporter.history.numbers import Numbers
from exporter.history.rows import Alert
from exporter.history.schema import alerts, audit
from exporter.history.writer import clean

#: what is told anew each time; the rest stays as it was first heard or as people said
TOLD = ("ends_at", "firing", "time", "labels", "annotations")


class KeptAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it is kept. firing: its true state; the rest is what people said, at which time and who."""

    id: str
    fingerprint: str
    starts_at: float
    ends_at: float | None
    firing: bool
    time: float
    model: str
    alertname: str
    severity: str
    category: str
    labels: dict[str, str]
    annotations: dict[str, str]
    marked_resolved_at: float | None
    marked_resolved_by: str | None
    acknowledged_at: float | None
    acknowledged_by: str | None
    acknowledged_until: float | None
    comment: str | None
    silence_id: str | None

    @property
    def is_resolved(self) -> bool:
        """Whether it is over, or somebody said that it is."""
        return not self.firing or self.marked_resolved_at is not None

    @property
    def resolved_at(self) -> float | None:
        """When it was over, or said to be."""
        if self.marked_resolved_at is not None:
            return self.marked_resolved_at
        return None if self.firing else (self.ends_at or self.time)


class AlertBook:
    """Reads and writes alerts, from any thread."""

    def __init__(self, database: Database, numbers: Numbers) -> None:
        self._database, self._numbers = database, numbers

    # -- what Alertmanager tells

    def hear(self, heard: Sequence[Alert]) -> None:
        """Keep alerts as they were told; the last word counts."""
        with self._database.write() as connection:
            self._hear(connection, heard)

    def _hear(self, connection: Connection, heard: Sequence[Alert]) -> None:
        if not heard:
            return
        kind = sqlite if self._database.is_sqlite else postgresql
        statement = kind.insert(alerts)
        told = {name: statement.excluded[name] for name in TOLD}
        rows = [{"id": one.id, **clean(msgspec.to_builtins(one))} for one in heard]
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=told), rows)

    def reconcile(self, listed: Sequence[Alert], asked_at: float) -> None:
        """Take over all that Alertmanager holds: what it holds fires, and what it no longer holds is over.

        asked_at: when it was asked; what was heard of since then is left alone.
        """
        held = {one.id for one in listed}
        with self._database.write() as connection:
            self._hear(connection, listed)
            firing = connection.execute(select(alerts.c.id).where(alerts.c.firing, alerts.c.time < asked_at)).scalars()
            over = [{"key": key} for key in firing if key not in held]
            if over:
                ends = update(alerts).where(alerts.c.id == bindparam("key"))
                connection.execute(ends.values(firing=False, ends_at=asked_at, time=asked_at), over)

    def firing_of_others(self) -> frozenset[str]:
        """The ids of alerts that fire as far as is known, and that OURS does not ask for: somebody sent them here."""
        columns = alerts.c.id, alerts.c.alertname, alerts.c.severity
        with self._database.read() as connection:
            firing = connection.execute(select(*columns).where(alerts.c.firing))
            return frozenset(key for key, name, severity in firing if not is_ours(name, severity))

    def silenced_and_over(self) -> list[KeptAlert]:
        """Alerts that ended while a silence of ours was on them."""
        return self._found(select(alerts).where(~alerts.c.firing, alerts.c.silence_id.is_not(None)))

    def forget_silence(self, alert_id: str) -> None:
        """The silence of an alert is gone."""
        with self._database.write() as connection:
            connection.execute(update(alerts).where(alerts.c.id == alert_id).values(silence_id=None))
            self._note(connection, alert_id, "silence expired", "vedette", {})

    # -- what people ask and say

    def get(self, alert_id: str) -> KeptAlert | None:
        """One alert. An id that no database takes is none of an alert."""
        if clean(alert_id) != alert_id:
            return None
        return next(iter(self._found(select(alerts).where(alerts.c.id == alert_id))), None)

    def listed(
        self,
        since: float,
        models: frozenset[str] | None = None,
        resolved: bool | None = None,
        limit: int = 100,
        skip: int = 0,
    ) -> list[KeptAlert]:
        """Alerts that began since a time, or fire still; the newest first. models: None for all."""
        over = or_(~alerts.c.firing, alerts.c.marked_resolved_at.is_not(None))
        where = [or_(alerts.c.starts_at >= since, alerts.c.firing)]
        if resolved is not None:
            where.append(over if resolved else ~over)
        if models is not None:
            where.append(alerts.c.model.in_(sorted(models)))
        order = alerts.c.starts_at.desc(), alerts.c.id
        return self._found(select(alerts).where(*where).order_by(*order).limit(limit).offset(skip))

    def active(self, models: frozenset[str] | None = None) -> int:
        """How many fire and were not said to be over."""
        where = and_(alerts.c.firing, alerts.c.marked_resolved_at.is_(None))
        if models is not None:
            where = and_(where, alerts.c.model.in_(sorted(models)))
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(alerts).where(where)).scalar_one())

    def mark_resolved(self, alert_id: str, by: str, now: float) -> None:
        """Somebody says that it is over."""
        with self._database.write() as connection:
            marked = {"marked_resolved_at": now, "marked_resolved_by": clean(by)}
            connection.execute(update(alerts).where(alerts.c.id == alert_id).values(marked))
            self._note(connection, alert_id, "resolve", by, {}, now)

    def acknowledge(
        self, alert_id: str, by: str, now: float, until: float, comment: str, silence_id: str | None
    ) -> None:
        """Somebody looks after it. Without a comment, an earlier one stays."""
        said = {"acknowledged_at": now, "acknowledged_by": clean(by), "acknowledged_until": until}
        kept = clean(comment) or func.coalesce(alerts.c.comment, "")
        with self._database.write() as connection:
            connection.execute(
                update(alerts).where(alerts.c.id == alert_id).values(**said, comment=kept, silence_id=silence_id)
            )
            details = {"until": until, "comment": comment, "silence_id": silence_id}
            self._note(connection, alert_id, "acknowledge", by, details, now)

    def audited(self, alert_id: str) -> list[dict[str, Any]]:
        """Who did what to an alert, in order."""
        statement = select(audit).where(audit.c.alert_id == alert_id).order_by(audit.c.id)
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _note(
        self,
        connection: Connection,
        alert_id: str,
        action: str,
        by: str,
        details: Mapping[str, Any],
        now: float | None = None,
    ) -> None:
        number, time = self._numbers.next(), self._numbers.clock() if now is None else now
        row = {"id": number, "time": time, "alert_id": alert_id, "action": action, "by": by, "details": details}
        connection.execute(insert(audit), clean(row))

    def _found(self, statement: Any) -> list[KeptAlert]:
        with self._database.read() as connection:
            return [msgspec.convert(_named(row), KeptAlert) for row in connection.execute(statement).mappings()]


def _named(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row by plain names: those of SQLAlchemy are a kind of text of its own."""
    return {str(name): value for name, value in row.items()}
