"""The tables as they are now. How they came to be is in `migrations`; a test holds both to the same.

Times are seconds since 1970 in double precision, which both databases order alike and no time zone can bend.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from exporter.history.rows import Kind

metadata = MetaData()
PREFIX = "vedette_"


def _required(**types: type[TypeEngine[Any]]) -> Iterator[Column]:
    """Columns by their names, each of which has a value in every row."""
    return (Column(name, kind, nullable=False) for name, kind in types.items())


def _optional(**types: type[TypeEngine[Any]]) -> Iterator[Column]:
    """Columns by their names, which are empty where nothing is known."""
    return (Column(name, kind) for name, kind in types.items())


def _table(name: str, *columns: Column) -> Table:
    """A table that is read by time, of all models or of one."""
    table = Table(
        PREFIX + name,
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        *_required(time=Double, model=Text),
        *columns,
    )
    Index(f"ix_{PREFIX}{name}_time", table.c.time, table.c.id)
    Index(f"ix_{PREFIX}{name}_model", table.c.model, table.c.time, table.c.id)
    return table


flagged_queries = _table(
    "flagged_queries",
    *_optional(version=Text, client=Text, query_id=Text),
    *_required(detectors=JSON),
    *_optional(content=Text),
)
client_alarms = _table(
    "client_alarms",
    *_required(client=Text, level=Text),
    *_optional(score=Double),
    *_required(families=JSON, reasons=JSON, details=JSON),
)
drift = _table(
    "drift",
    *_required(source=Text, drift_type=Text, severity=Text),
    *_optional(confidence=Double, feature=Text, method=Text, score=Double, p_value=Double),
    *_required(details=JSON, tags=JSON),
)
inference = _table(
    "inference",
    *_optional(
        model_type=Text,
        request_id=Text,
        client=Text,
        latency_seconds=Double,
        first_token_seconds=Double,
        error=Text,
        throughput=Double,
        error_rate=Double,
        tokens_input=BigInteger,
        tokens_output=BigInteger,
        cost_dollars=Double,
        gpu_memory=Double,
        cpu_usage=Double,
        memory_usage=Double,
    ),
    *_required(tags=JSON, joined=Boolean),
)
rollups = _table(
    "rollups",
    *_required(
        queries=BigInteger,
        flagged=BigInteger,
        errors=BigInteger,
        latency_count=BigInteger,
        latency_sum=Double,
        latencies=LargeBinary,
        tokens_input=BigInteger,
        tokens_output=BigInteger,
        cost_dollars=Double,
        gpu_memory_sum=Double,
        gpu_memory_count=Integer,
        cpu_usage_sum=Double,
        cpu_usage_count=Integer,
        memory_usage_sum=Double,
        memory_usage_count=Integer,
    ),
)
anomalies = _table(
    "anomalies",
    *_required(metric=Text, series=Text),
    *_optional(value=Double, expected=Double, lower=Double, upper=Double, score=Double),
    *_required(severity=Text, algorithm=Text, labels=JSON, explanation=JSON, baseline_version=Text, source=Text),
    # what people said of it: true, false, or nothing yet
    *_optional(confirmed=Boolean, confirmed_by=Text, confirmed_at=Double),
)
alerts = Table(
    PREFIX + "alerts",
    metadata,
    # fingerprint and beginning
    Column("id", Text, primary_key=True),
    *_required(fingerprint=Text, starts_at=Double),
    *_optional(ends_at=Double),
    # the true state, as Alertmanager last told it, and when
    *_required(
        firing=Boolean,
        time=Double,
        model=Text,
        alertname=Text,
        severity=Text,
        category=Text,
        labels=JSON,
        annotations=JSON,
    ),
    # what people said of it
    *_optional(
        marked_resolved_at=Double,
        marked_resolved_by=Text,
        acknowledged_at=Double,
        acknowledged_by=Text,
        acknowledged_until=Double,
        comment=Text,
        silence_id=Text,
    ),
)
Index(f"ix_{PREFIX}alerts_starts_at", alerts.c.starts_at, alerts.c.id)
Index(f"ix_{PREFIX}alerts_firing", alerts.c.firing, alerts.c.starts_at)
#: who did what to which alert
audit = Table(
    PREFIX + "alert_audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *_required(time=Double, alert_id=Text, action=Text, by=Text, details=JSON),
)
Index(f"ix_{PREFIX}alert_audit_alert", audit.c.alert_id, audit.c.time)

TABLES: dict[Kind, Table] = {
    "flagged_queries": flagged_queries,
    "client_alarms": client_alarms,
    "drift": drift,
    "inference": inference,
    "rollups": rollups,
    "anomalies": anomalies,
}
