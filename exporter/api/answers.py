"""What the routes on FastAPI answer with in JSON, by method and path: their part of the OpenAPI page.

Every field is named, and there are no others: the tests hold each answer of the program against it.
"""

from typing import Any

from exporter.api.described import Schema, fields
from exporter.history.minutes import RESOURCES, TOKENS

TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NONE: Schema = {"type": ["string", "null"], "format": "date-time"}
TEXT_OR_NONE, NUMBER_OR_NONE = ["string", "null"], ["number", "null"]
SECONDS: Schema = {"type": "number", "description": "Seconds since 1970"}
ANYTHING: Schema = {"type": "object"}
SEVERITY: Schema = {"type": "string", "enum": ["low", "medium", "high", "critical"]}
HEALTH: Schema = {"type": "string", "enum": ["healthy", "degraded"]}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _each(of: str | Schema) -> Schema:
    """An object with any names."""
    return {"type": "object", "additionalProperties": of if isinstance(of, dict) else {"type": of}}


def _all(**types: str | list[str] | Schema) -> Schema:
    """An object with just these fields, all of them."""
    return fields(*types, **types) | {"additionalProperties": False}


def _paged(name: str, row: Schema) -> Schema:
    """Rows with where the next ones are; a stream of all has no cursor."""
    rows: Schema = {name: _list(row), "next_cursor": {"type": TEXT_OR_NONE}}
    return fields(name, **rows) | {"additionalProperties": False}


# -- the history

_ROW: dict[str, Any] = {"id": "string", "timestamp": TIME, "model_id": "string"}
_FLAGGED = _all(
    **_ROW,
    version=TEXT_OR_NONE,
    client=TEXT_OR_NONE,
    query_id=TEXT_OR_NONE,
    detectors=_each(_all(score="number", threshold="number", reason="string")),
    content=TEXT_OR_NONE,
)
_CLIENT_ALARM = _all(
    **_ROW,
    client="string",
    level={"type": "string", "enum": ["watch", "alarm", "severe"]},
    score="number",
    families=_list({"type": "string"}),
    reasons=_list({"type": "string"}),
    details=ANYTHING,
)
_INFERENCE = _all(
    **_ROW,
    model_type=TEXT_OR_NONE,
    request_id=TEXT_OR_NONE,
    latency={"type": NUMBER_OR_NONE, "description": "ms"},
    time_to_first_token={"type": NUMBER_OR_NONE, "description": "ms"},
    throughput=NUMBER_OR_NONE,
    error_rate=NUMBER_OR_NONE,
    resource_usage=fields(**dict.fromkeys(RESOURCES, "number")) | {"additionalProperties": False},
    tags=ANYTHING,
    client=TEXT_OR_NONE,
    error=TEXT_OR_NONE,
    tokens=_all(input=["integer", "null"], output=["integer", "null"]),
    cost_dollars=NUMBER_OR_NONE,
    joined={"type": "boolean", "description": "It is about a query that was counted before"},
)
_DRIFT = _all(
    **_ROW,
    source={"type": "string", "enum": ["found", "reported"]},
    drift_type={"type": "string", "enum": ["data", "concept"]},
    severity={"type": "string"},
    confidence=NUMBER_OR_NONE,
    feature=TEXT_OR_NONE,
    method=TEXT_OR_NONE,
    drift_score=NUMBER_OR_NONE,
    p_value=NUMBER_OR_NONE,
    details=ANYTHING,
    tags=ANYTHING,
)
_LINE = _list(_all(time=TIME, value="number"))
#: sums of a window, left out where there are none; and all that is told over time
SUMS = (*TOKENS, "cost_dollars")
LINES = ("latency", "p95_latency", "throughput", "error_rate", *RESOURCES, *SUMS)
_SUMMARY = _all(
    total_requests="integer",
    average_latency={"type": "number", "description": "ms"},
    error_rate="number",
    p95_latency={"type": "number", "description": "ms"},
    p99_latency={"type": "number", "description": "ms"},
    active_alerts="integer",
)
_ALERT = _all(
    id="string",
    model_id=TEXT_OR_NONE,
    alert_type="string",
    severity="string",
    message="string",
    timestamp=TIME,
    resolved="boolean",
    resolved_at=TIME_OR_NONE,
    state={"type": "string", "enum": ["firing", "resolved"]},
    category="string",
    acknowledged="boolean",
    acknowledged_by=TEXT_OR_NONE,
    acknowledged_until=TIME_OR_NONE,
    comment=TEXT_OR_NONE,
    labels=_each("string"),
    annotations=_each("string"),
)

# -- clients

_EXAMPLE = _all(
    time=SECONDS,
    id="string",
    flags=_list({"type": "string"}),
    reasons=_list({"type": "string"}),
)
_CLIENT: dict[str, Any] = {
    "model": "string",
    "client": "string",
    "level": {"type": "string", "enum": ["ok", "watch", "alarm", "severe"]},
    "suspicion": {"type": "number", "minimum": 0, "maximum": 4, "description": "1 is the alarm line"},
    "families": _each("number"),
    "bits": _each("number"),
    "queries": "integer",
    "first": SECONDS,
    "last": SECONDS,
    "evidence": SECONDS,
    "volume": "number",
    "coverage": "number",
    "clusters": _list({"type": "integer"}),
}
_CLUSTER = _all(
    model="string",
    id="integer",
    accounts={"type": "string", "enum": ["none", "one", "several"]},
    clients=_each("integer"),
    without_client="integer",
    near="integer",
    repeats="integer",
    changes="integer",
    reason={"type": "string", "enum": ["variants", "label_changes"]},
    began=SECONDS,
    last=SECONDS,
    alarmed=SECONDS,
)
_WARM_UP = _all(
    model="string",
    ratio="number",
    evidence=_list(_all(name="string", family="string", in_profile="boolean", p0="number", p1="number", off="string")),
    suggestions=_list(_all(client="string", interval_seconds="number", query_id="string")),
)
_DONE = _all(status={"type": "string", "enum": ["success"]})

# -- models and learned series

_MODEL = _all(
    id="string",
    name="string",
    model_type=TEXT_OR_NONE,
    kind={"type": "string", "enum": ["model"]},
    source={"type": "string", "enum": ["registered", "configuration"]},
    version=TEXT_OR_NONE,
    environment=TEXT_OR_NONE,
    thresholds=_each({"type": NUMBER_OR_NONE}),
    objectives=_each({"type": NUMBER_OR_NONE}),
    prices=_each("number"),
)
_BASELINE = _all(
    id="string",
    kind={"type": "string", "enum": ["baseline"]},
    expr="string",
    ready="boolean",
    version="string",
    versions=_list({"type": "string"}),
    trained_at=TIME_OR_NONE,
    training_seconds="number",
    points="integer",
    series="integer",
    series_warming_up="integer",
    algorithm="string",
    group=TEXT_OR_NONE,
    error=TEXT_OR_NONE,
)
_ANOMALY = _all(
    id="string",
    metric_name="string",
    series="string",
    labels=_each("string"),
    timestamp=TIME,
    worst_at=TIME,
    ended_at=TIME_OR_NONE,
    value=NUMBER_OR_NONE,
    expected_value=NUMBER_OR_NONE,
    lower=NUMBER_OR_NONE,
    upper=NUMBER_OR_NONE,
    anomaly_score=NUMBER_OR_NONE,
    severity=SEVERITY,
    algorithm="string",
    explanation=ANYTHING,
    baseline_version="string",
    context="string",
    source={"type": "string", "enum": ["found", "reported"]},
    live="boolean",
    confirmed=["boolean", "null"],
    confirmed_by=TEXT_OR_NONE,
    confirmed_at=TIME_OR_NONE,
)
_POINT = _all(timestamp=TIME, **dict.fromkeys(("value", "score", "expected", "lower", "upper"), NUMBER_OR_NONE))
_COURSES = _all(
    metric_name="string",
    expr="string",
    step=NUMBER_OR_NONE,
    series=_list(_all(series="string", labels=_each("string"), points=_list(_POINT))),
)
_STATS = _all(
    total_anomalies="integer",
    by_severity=_each("integer"),
    by_metric=_each("integer"),
    by_algorithm=_each("integer"),
    precision=_each("number"),
)
_STATS_SUMMARY = _all(
    time_range_hours="number",
    total_anomalies="integer",
    by_severity=_each("integer"),
    confirmed="integer",
    false_positives="integer",
    pending_review="integer",
)
_QUERY_HEALTH = _all(status={"type": "string", "enum": ["healthy", "unhealthy", "warming_up"]}, error=TEXT_OR_NONE)
_CONTEXT_HEALTH = _all(kind="string", status={"type": "string", "enum": ["healthy", "unhealthy"]}, error=TEXT_OR_NONE)
_WELL: dict[str, Any] = {"status": HEALTH, "timestamp": TIME, "version": "string", "services": _each("string")}

#: bodies of success
ANSWERS: dict[tuple[str, str], Schema] = {
    ("POST", "/-/reload"): _DONE,
    ("GET", "/api/v1/queries/flagged"): _paged("queries", _FLAGGED),
    ("GET", "/api/v1/clients/alarms"): _paged("alarms", _CLIENT_ALARM),
    ("GET", "/api/v1/metrics/inference"): _paged("metrics", _INFERENCE),
    ("GET", "/api/v1/metrics/drift"): _paged("drift_metrics", _DRIFT),
    ("GET", "/api/v1/metrics/aggregated"): _all(aggregated_metrics=_all(**dict.fromkeys(LINES, _LINE))),
    ("GET", "/api/v1/summary"): _SUMMARY,
    ("GET", "/api/v1/alerts"): _list(_ALERT),
    ("GET", "/api/v1/clients"): _all(
        total="integer",
        clients=_list(_all(**_CLIENT)),
    ),
    ("GET", "/api/v1/clients/{client}"): _all(client="string", models=_list(_all(**_CLIENT, examples=_list(_EXAMPLE)))),
    ("DELETE", "/api/v1/clients/{client}"): _all(client="string", erased=_each("boolean")),
    ("POST", "/api/v1/clients/{client}/dismiss"): _all(client="string", dismissed=_each(_list({"type": "string"}))),
    ("GET", "/api/v1/clusters"): _all(total="integer", clusters=_list(_CLUSTER)),
    ("GET", "/api/v1/warm-up"): _all(models=_list(_WARM_UP)),
    ("POST", "/api/v1/models/{model}/warm-up"): _DONE,
    ("POST", "/api/v1/models/{model}/reference"): _all(status="string", reference_version="string", source="string"),
    ("DELETE", "/api/v1/models/{model}/reference"): _DONE,
    ("GET", "/api/v1/models"): _all(total="integer", models=_list({"oneOf": [_MODEL, _BASELINE]})),
    ("POST", "/api/v1/models/{id}/train"): _all(id="string", status="string"),
    ("POST", "/api/v1/models/{id}/rollback"): _all(id="string", version="string"),
    ("GET", "/api/v1/anomalies"): _all(total="integer", skip="integer", limit="integer", anomalies=_list(_ANOMALY)),
    ("POST", "/api/v1/anomalies"): _ANOMALY,
    ("GET", "/api/v1/anomalies/stats"): _STATS,
    ("GET", "/api/v1/anomalies/stats/summary"): _STATS_SUMMARY,
    ("GET", "/api/v1/anomalies/{id}"): _ANOMALY,
    ("POST", "/api/v1/anomalies/{id}/confirm"): _ANOMALY,
    ("POST", "/api/v1/events"): _all(kind="string", start=TIME, end=TIME),
    ("GET", "/api/v1/metrics/{name}/data"): _COURSES,
    ("GET", "/health"): _all(status="string", version="string"),
    ("GET", "/api/v1/health"): _all(**_WELL),
    ("GET", "/api/v1/health/detailed"): _all(**_WELL, queries=_each(_QUERY_HEALTH), contexts=_list(_CONTEXT_HEALTH)),
}


def with_answers(paths: dict[str, Any]) -> dict[str, Any]:
    """The same paths, with what is answered when all went well."""
    for (method, path), schema in ANSWERS.items():
        if method.lower() in paths.get(path, {}):
            responses = paths[path][method.lower()]["responses"]
            [success] = [status for status in responses if status.startswith("2")]
            responses[success].setdefault("content", {})["application/json"] = {"schema": schema}
    return paths
