"""The first tables: flagged queries, client alarms, drift, inferences, roll-ups, anomalies, alerts and their audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "vedette_alert_audit",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_index("ix_vedette_alert_audit_alert", "vedette_alert_audit", ["alert_id", "time"])
    op.create_table(
        "vedette_alerts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("starts_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double),
        sa.Column("firing", sa.Boolean, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("alertname", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("annotations", sa.JSON, nullable=False),
        sa.Column("marked_resolved_at", sa.Double),
        sa.Column("marked_resolved_by", sa.Text),
        sa.Column("acknowledged_at", sa.Double),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_until", sa.Double),
        sa.Column("comment", sa.Text),
        sa.Column("silence_id", sa.Text),
    )
    op.create_index("ix_vedette_alerts_firing", "vedette_alerts", ["firing", "starts_at"])
    op.create_index("ix_vedette_alerts_starts_at", "vedette_alerts", ["starts_at", "id"])
    op.create_table(
        "vedette_anomalies",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("expected", sa.Double),
        sa.Column("lower", sa.Double),
        sa.Column("upper", sa.Double),
        sa.Column("score", sa.Double),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("explanation", sa.JSON, nullable=False),
        sa.Column("baseline_version", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("confirmed", sa.Boolean),
        sa.Column("confirmed_by", sa.Text),
        sa.Column("confirmed_at", sa.Double),
    )
    op.create_index("ix_vedette_anomalies_model", "vedette_anomalies", ["model", "time", "id"])
    op.create_index("ix_vedette_anomalies_time", "vedette_anomalies", ["time", "id"])
    op.create_table(
        "vedette_client_alarms",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("families", sa.JSON, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_index("ix_vedette_client_alarms_model", "vedette_client_alarms", ["model", "time", "id"])
    op.create_index("ix_vedette_client_alarms_time", "vedette_client_alarms", ["time", "id"])
    op.create_table(
        "vedette_drift",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("drift_type", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double),
        sa.Column("feature", sa.Text),
        sa.Column("method", sa.Text),
        sa.Column("score", sa.Double),
        sa.Column("p_value", sa.Double),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
    )
    op.create_index("ix_vedette_drift_model", "vedette_drift", ["model", "time", "id"])
    op.create_index("ix_vedette_drift_time", "vedette_drift", ["time", "id"])
    op.create_table(
        "vedette_flagged_queries",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("client", sa.Text),
        sa.Column("query_id", sa.Text),
        sa.Column("detectors", sa.JSON, nullable=False),
        sa.Column("content", sa.Text),
    )
    op.create_index("ix_vedette_flagged_queries_model", "vedette_flagged_queries", ["model", "time", "id"])
    op.create_index("ix_vedette_flagged_queries_time", "vedette_flagged_queries", ["time", "id"])
    op.create_table(
        "vedette_inference",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_type", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("client", sa.Text),
        sa.Column("latency_seconds", sa.Double),
        sa.Column("first_token_seconds", sa.Double),
        sa.Column("error", sa.Text),
        sa.Column("throughput", sa.Double),
        sa.Column("error_rate", sa.Double),
        sa.Column("tokens_input", sa.BigInteger),
        sa.Column("tokens_output", sa.BigInteger),
        sa.Column("cost_dollars", sa.Double),
        sa.Column("gpu_memory", sa.Double),
        sa.Column("cpu_usage", sa.Double),
        sa.Column("memory_usage", sa.Double),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("joined", sa.Boolean, nullable=False),
    )
    op.create_index("ix_vedette_inference_model", "vedette_inference", ["model", "time", "id"])
    op.create_index("ix_vedette_inference_time", "vedette_inference", ["time", "id"])
    op.create_table(
        "vedette_rollups",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("queries", sa.BigInteger, nullable=False),
        sa.Column("flagged", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("latency_count", sa.BigInteger, nullable=False),
        sa.Column("latency_sum", sa.Double, nullable=False),
        sa.Column("latencies", sa.LargeBinary, nullable=False),
        sa.Column("tokens_input", sa.BigInteger, nullable=False),
        sa.Column("tokens_output", sa.BigInteger, nullable=False),
        sa.Column("cost_dollars", sa.Double, nullable=False),
        sa.Column("gpu_memory_sum", sa.Double, nullable=False),
        sa.Column("gpu_memory_count", sa.Integer, nullable=False),
        sa.Column("cpu_usage_sum", sa.Double, nullable=False),
        sa.Column("cpu_usage_count", sa.Integer, nullable=False),
        sa.Column("memory_usage_sum", sa.Double, nullable=False),
        sa.Column("memory_usage_count", sa.Integer, nullable=False),
    )
    op.create_index("ix_vedette_rollups_model", "vedette_rollups", ["model", "time", "id"])
    op.create_index("ix_vedette_rollups_time", "vedette_rollups", ["time", "id"])
