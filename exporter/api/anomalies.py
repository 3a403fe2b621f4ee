"""Learned series over HTTP: what was found, what people say of it, and the events that they tell of."""

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from exporter import body
from exporter.access.principal import ANYBODY, Principal
from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.events import EVENT_SECONDS, Event
from exporter.anomalies.service import AnomalyService
from exporter.api import asked as ask
from exporter.api import learned
from exporter.api.described import BODY, errors, request_body
from exporter.api.moments import Duration, End, Finite, Identifier, finite, seconds, whole_day, written
from exporter.config.anomalies import DAY, NAME, WEEK
from exporter.history.recorder import Recorder
from exporter.labels import label_value

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
Word = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


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
    end: Annotated[datetime | Finite | None, BeforeValidator(whole_day)] = None
    duration: Duration | None = None
    duration_seconds: Annotated[Finite, Field(gt=0)] | None = None

    def event(self, now: float) -> Event:
        """What is to be kept. Raises ValueError, which names the key."""
        self._one_of("timestamp", "start")
        until = self._one_of("end", "duration", "duration_seconds")
        start = seconds(self.start if self.timestamp is None else self.timestamp, now)
        if abs(start - now) > WEEK:
            raise ValueError("timestamp: expected a time within a week")
        end = seconds(self.end, start + (self.duration or self.duration_seconds or EVENT_SECONDS))
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
    _add_events(routes, service)
    learned.add(routes, service, history)
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
        start, end = seconds(start_date or start_time, -math.inf), seconds(end_date or end_time, math.inf)
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
        time = seconds(reported.timestamp, 0.0)
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

    @routes.get("/api/v1/anomalies/{id:path}", summary="One of them", responses=errors(404))
    def anomaly(identifier: Identifier) -> dict[str, Any]:
        found = log.get(identifier)
        if found is None:
            raise HTTPException(404, "no such anomaly")
        return as_plain(found)

    @routes.post(
        "/api/v1/anomalies/{id:path}/confirm",
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
        "timestamp": written(one.time),
        "worst_at": written(one.worst_at),
        "ended_at": None if one.ended_at is None else written(one.ended_at),
        "value": finite(one.value),
        "expected_value": finite(one.expected),
        "lower": finite(one.lower),
        "upper": finite(one.upper),
        "anomaly_score": finite(one.score),
        "severity": one.severity,
        "algorithm": one.algorithm,
        "explanation": {key: finite(value) for key, value in one.explanation.items()},
        "baseline_version": one.baseline_version,
        "context": one.context,
        "source": one.source,
        "live": one.live,
        "confirmed": one.confirmed,
        "confirmed_by": one.confirmed_by,
        "confirmed_at": None if one.confirmed_at is None else written(one.confirmed_at),
    }


def _by_severity(found: list[Anomaly]) -> dict[str, int]:
    counts = Counter(one.severity for one in found)
    return {severity: counts[severity] for severity in SEVERITIES}


# -- what people tell of


def _add_events(routes: APIRouter, service: AnomalyService) -> None:
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
            service.sources.events.add(event)
        except OSError as error:
            raise HTTPException(503, f"the event cannot be kept: {error.strerror}") from None
        return {"kind": event.kind, "start": written(event.start), "end": written(event.end)}
