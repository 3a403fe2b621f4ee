"""The tables as they are now. How they came to be is in `migrations`; a test holds both to the same.

Times are seconds since 1970 in double precision, which both databases order alike and no time zone can bend.
"""

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

from exporter.history.rows import Kind

metadata = MetaData()
PREFIX = "vedette_"


def _table(name: str, *columns: Column) -> Table:
    """A table that is read by time, of all models or of one."""
    table = Table(
        PREFIX + name,
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("time", Double, nullable=False),
        Column("model", Text, nullable=False),
        *columns,
    )
    Index(f"ix_{PREFIX}{name}_time", table.c.time, table.c.id)
    Index(f"ix_{PREFIX}{name}_model", table.c.model, table.c.time, table.c.id)
    return table


flagged_queries = _table(
    "flagged_queries",
    Column("version", Text),
    Column("client", Text),
    Column("query_id", Text),
    Column("detectors", JSON, nullable=False),
    Column("content", Text),
)
client_alarms = _table(
    "client_alarms",
    Column("client", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("score", Double),
    Column("families", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("details", JSON, nullable=False),
)
drift = _table(
    "drift",
    Column("source", Text, nullable=False),
    Column("drift_type", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("confidence", Double),
    Column("feature", Text),
    Column("method", Text),
    Column("score", Double),
    Column("p_value", Double),
    Column("details", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
)
inference = _table(
    "inference",
    Column("model_type", Text),
    Column("request_id", Text),
    Column("client", Text),
    Column("latency_seconds", Double),
    Column("first_token_seconds", Double),
    Column("error", Text),
    Column("throughput", Double),
    Column("error_rate", Double),
    Column("tokens_input", BigInteger),
    Column("tokens_output", BigInteger),
    Column("cost_dollars", Double),
    Column("gpu_memory", Double),
    Column("cpu_usage", Double),
    Column("memory_usage", Double),
    Column("tags", JSON, nullable=False),
    Column("joined", Boolean, nullable=False),
)
rollups = _table(
    "rollups",
    Column("queries", BigInteger, nullable=False),
    Column("flagged", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("latency_count", BigInteger, nullable=False),
    Column("latency_sum", Double, nullable=False),
    Column("latencies", LargeBinary, nullable=False),
    Column("tokens_input", BigInteger, nullable=False),
    Column("tokens_output", BigInteger, nullable=False),
    Column("cost_dollars", Double, nullable=False),
    Column("gpu_memory_sum", Double, nullable=False),
    Column("gpu_memory_count", Integer, nullable=False),
    Column("cpu_usage_sum", Double, nullable=False),
    Column("cpu_usage_count", Integer, nullable=False),
    Column("memory_usage_sum", Double, nullable=False),
    Column("memory_usage_count", Integer, nullable=False),
)
anomalies = _table(
    "anomalies",
    Column("metric", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("value", Double),
    Column("expected", Double),
    Column("lower", Double),
    Column("upper", Double),
    Column("score", Double),
    Column("severity", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("explanation", JSON, nullable=False),
    Column("baseline_version", Text, nullable=False),
    Column("source", Text, nullable=False),
    # what people said of it: true, false, or nothing yet
    Column("confirmed", Boolean),
    Column("confirmed_by", Text),
    Column("confirmed_at", Double),
)
alerts = Table(
    PREFIX + "alerts",
    metadata,
    # fingerprint and beginning
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("starts_at", Double, nullable=False),
    Column("ends_at", Double),
    # the true state, as Alertmanager last told it, and when
    Column("firing", Boolean, nullable=False),
    Column("time", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("alertname", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    # what people said of it
    Column("marked_resolved_at", Double),
    Column("marked_resolved_by", Text),
    Column("acknowledged_at", Double),
    Column("acknowledged_by", Text),
    Column("acknowledged_until", Double),
    Column("comment", Text),
    Column("silence_id", Text),
)
Index(f"ix_{PREFIX}alerts_starts_at", alerts.c.starts_at, alerts.c.id)
Index(f"ix_{PREFIX}alerts_firing", alerts.c.firing, alerts.c.starts_at)
#: who did what to which alert
audit = Table(
    PREFIX + "alert_audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("details", JSON, nullable=False),
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
