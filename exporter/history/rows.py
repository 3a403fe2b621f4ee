"""What is recorded: one record for each kind of row. Times are seconds since 1970, shares are 0 to 1.

`id` and the words of the tables are the database's business; nothing here needs it to be there.
"""

from typing import Any, Literal, get_args

import msgspec

Kind = Literal["flagged_queries", "client_alarms", "drift", "inference", "rollups", "anomalies"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Row(msgspec.Struct, kw_only=True, frozen=True):
    """What every row says. model: its label."""

    time: float
    model: str


class Finding(msgspec.Struct, frozen=True):
    """What one detector said of a flagged query."""

    score: float
    threshold: float
    reason: str


class FlaggedQuery(Row, kw_only=True, frozen=True):
    """A query that at least one detector flagged. client: as it is shown; content: only where evidence is kept."""

    version: str | None = None
    client: str | None = None
    query_id: str | None = None
    detectors: dict[str, Finding] = {}
    content: str | None = None


class ClientAlarm(Row, kw_only=True, frozen=True):
    """A client whose level changed to watch, alarm or severe, and why."""

    client: str
    level: str
    score: float
    families: list[str] = []
    reasons: list[str] = []
    details: dict[str, Any] = {}


class Drift(Row, kw_only=True, frozen=True):
    """A distribution that moved. source: found here or reported; score: of the method, in its unit."""

    source: Literal["found", "reported"] = "found"
    drift_type: Literal["data", "concept"] = "data"
    severity: str
    confidence: float | None = None
    feature: str | None = None
    method: str | None = None
    score: float | None = None
    p_value: float | None = None
    details: dict[str, Any] = {}
    tags: dict[str, Any] = {}


class InferenceSample(Row, kw_only=True, frozen=True):
    """One inference as a service measured it.

    error: what failed, empty when nothing did. error_rate and throughput (1/s) are gauges that the sender keeps.
    joined: it is about a query that was counted before.
    """

    model_type: str | None = None
    request_id: str | None = None
    client: str | None = None
    latency_seconds: float | None = None
    first_token_seconds: float | None = None
    error: str | None = None
    throughput: float | None = None
    error_rate: float | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    cost_dollars: float | None = None
    gpu_memory: float | None = None
    cpu_usage: float | None = None
    memory_usage: float | None = None
    tags: dict[str, Any] = {}
    joined: bool = False


class RollUp(Row, kw_only=True, frozen=True):
    """What came of one model in one minute, or in a part of it: rows of the same minute add up.

    time: the beginning of the minute. latencies: a `Sketch`, packed. Of each resource the sum and how many it is of.
    """

    queries: int = 0
    flagged: int = 0
    errors: int = 0
    latency_count: int = 0
    latency_sum: float = 0.0
    latencies: bytes = b""
    tokens_input: int = 0
    tokens_output: int = 0
    cost_dollars: float = 0.0
    gpu_memory_sum: float = 0.0
    gpu_memory_count: int = 0
    cpu_usage_sum: float = 0.0
    cpu_usage_count: int = 0
    memory_usage_sum: float = 0.0
    memory_usage_count: int = 0


class Anomaly(Row, kw_only=True, frozen=True):
    """A value that is odd for its series. model: empty where the series belongs to none.

    metric: the name of the query; series: the stable hash of its labels. score: 1 is the line of the alert.
    confirmed: what people said of it, once they did.
    """

    model: str = ""
    metric: str
    series: str = ""
    value: float
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    score: float
    severity: str
    algorithm: str = ""
    labels: dict[str, str] = {}
    explanation: dict[str, Any] = {}
    baseline_version: str = ""
    source: Literal["found", "reported"] = "found"
    confirmed: bool | None = None
    confirmed_by: str | None = None
    confirmed_at: float | None = None


class Alert(Row, kw_only=True, frozen=True):
    """An alert as Alertmanager tells of it. The same fingerprint and starts_at are the same alert.

    time: when it was last heard of. ends_at: None while it fires.
    """

    model: str = ""
    fingerprint: str
    starts_at: float
    ends_at: float | None = None
    firing: bool
    alertname: str
    severity: str = ""
    category: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @property
    def id(self) -> str:
        """Fingerprint and beginning, to the millisecond: Alertmanager's interface knows no finer times."""
        return f"{self.fingerprint}-{round(self.starts_at * 1000)}"


ROWS: dict[Kind, type[Row]] = {
    "flagged_queries": FlaggedQuery,
    "client_alarms": ClientAlarm,
    "drift": Drift,
    "inference": InferenceSample,
    "rollups": RollUp,
    "anomalies": Anomaly,
}
