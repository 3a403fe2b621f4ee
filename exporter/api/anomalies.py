"""Learned series over HTTP: what was found, what people say of it, what was learned, and the series themselves."""

import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from exporter import body
from exporter.access.principal import ANYBODY, Principal
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.events import EVENT_SECONDS, Event
from exporter.anomalies.kept import Unusable
from exporter.anomalies.series import WatchedSeries
from exporter.anomalies.service import AnomalyService
from exporter.anomalies.watched import WatchedQuery
from exporter.api import asked as ask
from exporter.api.described import BODY, errors, request_body
from exporter.config.anomalies import DAY, NAME, WEEK
from exporter.config.units import duration
from exporter.history.recorder import Recorder
from exporter.labels import label_value
from exporter.version import VERSION

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
MOST_ROWS = 1000
#: of one reported anomaly: labels, and characters of a text
MOST_LABELS, MOST_CHARACTERS = 30, 200
#: of one report, and of all these together
BODY_BYTES = 256 * 1024
_room = body.Room(64 * BODY_BYTES)
#: further ahead of our clock than this, no point can be
AHEAD_SECONDS = DAY
#: `id` in the path
Identifier = Annotated[str, Path(alias="id")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Word = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


def _seconds_of(value: Any) -> Any:
    """Seconds from a text such as 5m or 300."""
    if not isinstance(value, str):
        return value
    try:
        return duration(f"{value}s" if value.isdecimal() else value)
    except ValueError:
        return value  # a number such as 0.5; what is none is told by its type


def _whole_day(value: Any) -> Any:
    """A bare date as an end includes that day."""
    is_date = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)
    return f"{value}T23:59:59.999999Z" if is_date else value


#: float seconds above 0, written as a number or as Prometheus writes durations
Duration = Annotated[Finite, BeforeValidator(_seconds_of, json_schema_input_type=float | str), Field(gt=0)]
End = Annotated[datetime | None, BeforeValidator(_whole_day)]


class Reported(BaseModel):
    """An anomaly that was found elsewhere."""

    metric_name: Word
    timestamp: datetime | Finite
    value: Finite
    expected_value: Finite | None = None
    anomaly_score: Annotated[Finite, Field(ge=0)]
    severity: Severity
    algorithm: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""
    labels: Annotated[dict[Word, Annotated[str, Field(max_length=MOST_CHARACTERS)]], Field(max_length=MOST_LABELS)] = {}


class Happening(BaseModel):
    """An event during which another normal holds: from when, and until when or for how long."""

    model_config = ConfigDict(extra="forbid")
    kind: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    timestamp: datetime | Finite | None = None
    start: datetime | Finite | None = None
    end: Annotated[datetime | Finite | None, BeforeValidator(_whole_day)] = None
    duration: Duration | None = None
    duration_seconds: Annotated[Finite, Field(gt=0)] | None = None

    def event(self, now: float) -> Event:
        """What is to be kept. Raises ValueError, which names the key."""
        self._one_of("timestamp", "start")
        until = self._one_of("end", "duration", "duration_seconds")
        start = _seconds(self.start if self.timestamp is None else self.timestamp, now)
        if abs(start - now) > WEEK:
            raise ValueError("timestamp: expected a time within a week")
        end = _seconds(self.end, start + (self.duration or self.duration_seconds or EVENT_SECONDS))
        if not 0 < end - start <= WEEK:
            raise ValueError(f"{until}: expected an end after the start, at most a week later")
        return Event(self.kind, start, end)

    def _one_of(self, *names: str) -> str:
        """Which one is given; the first where none is."""
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[1]}: expected this or {given[0]}, not both")
        return given[0] if given else names[0]


def router(service: AnomalyService, history: Recorder | None = None) -> APIRouter:
    """The routes. history: whose database belongs to what is well; None where nothing is recorded."""
    routes = APIRouter(dependencies=[Depends(_for_all_models)])
    _add_anomalies(routes, service)
    _add_learning(routes, service)
    _add_series(routes, service)
    _add_health(routes, service, history)
    return routes


def _for_all_models(request: Request) -> None:
    """Series belong to no model: a key for some models does not see them."""
    by: Principal = request.scope.get("principal", ANYBODY)
    if by.models is not None and request.url.path != "/health":
        raise HTTPException(403, "this key is for some models only")


def _body_of(kind: type[BaseModel]) -> Callable[[Request], Awaitable[BaseModel]]:
    """What reads a body of this kind, within bounds and whatever content type it claims."""

    async def read(request: Request) -> BaseModel:
        try:
            return kind.model_validate_json(await ask.whole(request, BODY_BYTES, _room))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in problems]) from None

    return read


# -- what was found


def _add_anomalies(routes: APIRouter, service: AnomalyService) -> None:
    log = service.log

    @routes.get("/api/v1/anomalies", summary="What was found, the newest first")
    def anomalies(
        metric_name: str | None = None,
        severity: Severity | None = None,
        start_date: datetime | None = None,
        end_date: End = None,
        start_time: datetime | None = None,
        end_time: End = None,
        skip: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    ) -> dict[str, Any]:
        start, end = _seconds(start_date or start_time, -math.inf), _seconds(end_date or end_time, math.inf)
        found = [
            one
            for one in log.newest_first()
            if start <= one.time <= end and metric_name in (None, one.metric) and severity in (None, one.severity)
        ]
        shown = [as_plain(one) for one in found[skip : skip + limit]]
        return {"total": len(found), "skip": skip, "limit": limit, "anomalies": shown}

    @routes.post(
        "/api/v1/anomalies",
        status_code=201,
        summary="Report what was found elsewhere",
        openapi_extra=request_body(Reported.model_json_schema()),
        responses=errors(*BODY, 422),
    )
    def report(reported: Annotated[Reported, Depends(_body_of(Reported))]) -> dict[str, Any]:
        time = _seconds(reported.timestamp, 0.0)
        if not 0 < time <= service.now() + AHEAD_SECONDS:
            raise HTTPException(422, "timestamp: expected a time since 1970, at most a day ahead")
        anomaly = Anomaly(
            id=uuid4().hex,
            time=time,
            worst_at=time,
            ended_at=time,
            metric=label_value(reported.metric_name),
            labels=reported.labels,
            value=reported.value,
            expected=reported.expected_value,
            score=reported.anomaly_score,
            severity=reported.severity,
            algorithm=reported.algorithm,
            source="reported",
        )
        log.put(anomaly)
        return as_plain(anomaly)

    @routes.get("/api/v1/anomalies/stats", summary="How many were found, by query and by severity")
    def stats() -> dict[str, Any]:
        found = log.newest_first()
        return {
            "total_anomalies": len(found),
            "by_severity": _by_severity(found),
            "by_metric": dict(Counter(one.metric for one in found)),
            "by_algorithm": dict(Counter(one.algorithm for one in found)),
            "precision": {
                component: verdicts[True] / (verdicts[True] + verdicts[False])
                for component, verdicts in log.verdicts_by_component().items()
            },
        }

    @routes.get("/api/v1/anomalies/stats/summary", summary="The last hours in numbers")
    def summary(hours: Annotated[float, Query(gt=0, le=24 * 366)] = 24) -> dict[str, Any]:
        since = service.now() - hours * 3600
        found = [one for one in log.newest_first() if one.time >= since]
        said = Counter(one.confirmed for one in found)
        return {
            "time_range_hours": hours,
            "total_anomalies": len(found),
            "by_severity": _by_severity(found),
            "confirmed": said[True],
            "false_positives": said[False],
            "pending_review": said[None],
        }

    @routes.get("/api/v1/anomalies/{id}", summary="One of them", responses=errors(404))
    def anomaly(identifier: Identifier) -> dict[str, Any]:
        found = log.get(identifier)
        if found is None:
            raise HTTPException(404, "no such anomaly")
        return as_plain(found)

    @routes.post(
        "/api/v1/anomalies/{id}/confirm",
        summary="Say whether it was one; learning takes note",
        responses=errors(404),
    )
    def confirm(
        request: Request,
        identifier: Identifier,
        confirmed: bool,
        user: Annotated[str | None, Query(max_length=MOST_CHARACTERS)] = None,
    ) -> dict[str, Any]:
        by: Principal = request.scope.get("principal", ANYBODY)
        found = service.confirm(identifier, confirmed, user or by.id or None)
        if found is None:
            raise HTTPException(404, "no such anomaly")
        return as_plain(found)


def as_plain(one: Anomaly) -> dict[str, Any]:
    """An anomaly as it is answered."""
    return {
        "id": one.id,
        "metric_name": one.metric,
        "series": one.series,
        "labels": one.labels,
        "timestamp": _written(one.time),
        "worst_at": _written(one.worst_at),
        "ended_at": None if one.ended_at is None else _written(one.ended_at),
        "value": _finite(one.value),
        "expected_value": _finite(one.expected),
        "lower": _finite(one.lower),
        "upper": _finite(one.upper),
        "anomaly_score": _finite(one.score),
        "severity": one.severity,
        "algorithm": one.algorithm,
        "explanation": {key: _finite(value) for key, value in one.explanation.items()},
        "baseline_version": one.baseline_version,
        "context": one.context,
        "source": one.source,
        "live": one.live,
        "confirmed": one.confirmed,
        "confirmed_by": one.confirmed_by,
        "confirmed_at": None if one.confirmed_at is None else _written(one.confirmed_at),
    }


# -- what was learned


def _add_learning(routes: APIRouter, service: AnomalyService) -> None:
    @routes.post(
        "/api/v1/models/{id}/train", status_code=202, summary="Learn a query anew, soon", responses=errors(404)
    )
    def train(identifier: Identifier) -> dict[str, str]:
        if not service.train(identifier):
            raise HTTPException(404, "no such query")
        return {"id": identifier, "status": "scheduled"}

    @routes.post(
        "/api/v1/models/{id}/rollback",
        summary="Judge by an older version until the next learning",
        responses=errors(404, 409),
    )
    def rollback(identifier: Identifier, version: Annotated[str, Query(max_length=MOST_CHARACTERS)]) -> dict[str, str]:
        try:
            service.roll_back(identifier, version)
        except KeyError:
            raise HTTPException(404, "no such query") from None
        except Unusable as error:
            raise HTTPException(409, str(error)) from None
        return {"id": identifier, "version": version}

    @routes.post(
        "/api/v1/events",
        status_code=201,
        summary="Tell of an event during which another normal holds",
        openapi_extra=request_body(Happening.model_json_schema()),
        responses=errors(*BODY, 422, _503="The event cannot be kept"),
    )
    def happened(happening: Annotated[Happening, Depends(_body_of(Happening))]) -> dict[str, Any]:
        try:
            event = happening.event(service.now())
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        try:
            service.events.add(event)
        except OSError as error:
            raise HTTPException(503, f"the event cannot be kept: {error.strerror}") from None
        return {"kind": event.kind, "start": _written(event.start), "end": _written(event.end)}


def baselines(service: AnomalyService) -> list[dict[str, Any]]:
    """The baseline of each query, as it is answered among the models."""
    return [
        {
            "id": name,
            "kind": "baseline",
            "expr": query.config.expr,
            "ready": query.is_ready,
            "version": query.version,
            "versions": service.versions(name),
            "trained_at": _written(query.learned_at) if query.is_ready else None,
            "training_seconds": round(query.seconds, 3),
            "points": query.points,
            "series": len(query.series),
            "series_warming_up": len(query.unlearned),
            "algorithm": query.config.options.algorithm,
            "group": query.config.group,
            "error": _error(query),
        }
        for name, query in service.queries.items()
    ]


# -- the series


class _Labelled(Collector):
    """The gauges of the series with the labels of where they come from."""

    def __init__(self, service: AnomalyService) -> None:
        self._service = service

    def collect(self) -> Any:
        """The families of one page."""
        return self._service.labelled()


def _add_series(routes: APIRouter, service: AnomalyService) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Labelled(service))

    @routes.get(
        "/metrics/anomalies",
        summary="Scores and bands with the labels of the series themselves",
        response_class=PlainTextResponse,
    )
    def labelled() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @routes.get(
        "/api/v1/metrics/{name}/data",
        summary="Course of the series of a query, with score and band",
        responses=errors(404),
    )
    def data(
        name: str,
        start: datetime | None = None,
        end: End = None,
        step: Annotated[Duration | None, Query()] = None,
        series: str | None = None,
    ) -> dict[str, Any]:
        query = service.queries.get(name)
        if query is None:
            raise HTTPException(404, "no such query")
        first, last = _seconds(start, -math.inf), _seconds(end, math.inf)
        with query.lock:
            courses = [_course(one, first, last, step) for one in query.series.values() if series in (None, one.id)]
        return {"metric_name": name, "expr": query.config.expr, "step": step, "series": courses}


def _course(one: WatchedSeries, start: float, end: float, step: float | None) -> dict[str, Any]:
    """The points of one series, at least a step apart."""
    points: list[dict[str, Any]] = []
    last = -math.inf
    for point in one.course:
        if start <= point.time <= end and (step is None or point.time - last >= step):
            last = point.time
            fields = {name: _finite(getattr(point, name)) for name in ("value", "score", "expected", "lower", "upper")}
            points.append({"timestamp": _written(point.time), **fields})
    return {"series": one.id, "labels": one.labels, "points": points}


# -- health


def _add_health(routes: APIRouter, service: AnomalyService, history: Recorder | None) -> None:
    @routes.get("/health", summary="Whether it answers")
    def health() -> dict[str, str]:
        return {"status": "healthy", "version": VERSION}

    @routes.get("/api/v1/health/detailed", summary="Whether what belongs to the service is well")
    def detailed() -> dict[str, Any]:
        services = {"exporter": "healthy"}
        if history is not None:
            services["database"] = "healthy" if history.is_up else "unhealthy"
        if service.prometheus is not None:
            services["prometheus"] = "healthy" if service.prometheus.is_well() else "unhealthy"
        queries = {name: {"status": _status(query), "error": _error(query)} for name, query in service.queries.items()}
        contexts = [
            {"kind": one.kind, "status": "unhealthy" if error else "healthy", "error": str(error) if error else None}
            for one, error in service.contexts.states()
        ]
        if queries:
            failing = any(one["status"] == "unhealthy" for one in (*queries.values(), *contexts))
            services["anomalies"] = "degraded" if failing else "healthy"
        status = "healthy" if set(services.values()) == {"healthy"} else "degraded"
        return {
            "status": status,
            "timestamp": _written(service.now()),
            "version": VERSION,
            "services": services,
            "queries": queries,
            "contexts": contexts,
        }


def _status(query: WatchedQuery) -> str:
    if query.is_warming_up:
        return "warming_up"
    return "unhealthy" if query.error else "healthy"


def _error(query: WatchedQuery) -> str | None:
    return None if query.error is None else str(query.error)


def _seconds(moment: datetime | float | None, otherwise: float) -> float:
    """Seconds since 1970; a time without a zone is in UTC."""
    if moment is None:
        return otherwise
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment)


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else msgspec.to_builtins(value)


def _by_severity(found: list[Anomaly]) -> dict[str, int]:
    counts = Counter(one.severity for one in found)
    return {severity: counts[severity] for severity in SEVERITIES}
