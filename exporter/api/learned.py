"""What was learned over HTTP: baselines and their versions, the series themselves, and whether all of it is well."""

import math
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from exporter.anomalies.kept import Unusable
from exporter.anomalies.series import WatchedSeries
from exporter.anomalies.service import AnomalyService
from exporter.anomalies.watched import WatchedQuery
from exporter.api.described import errors
from exporter.api.moments import Duration, End, Identifier, finite, seconds, written
from exporter.history.recorder import Recorder
from exporter.version import VERSION

#: characters of the name of a version
MOST_CHARACTERS = 200


def add(routes: APIRouter, service: AnomalyService, history: Recorder | None) -> None:
    """Add the routes. history: whose database belongs to what is well; None where nothing is recorded."""
    _add_learning(routes, service)
    _add_series(routes, service)
    _add_health(routes, service, history)


def _add_learning(routes: APIRouter, service: AnomalyService) -> None:
    @routes.post(
        "/api/v1/models/{id:path}/train", status_code=202, summary="Learn a query anew, soon", responses=errors(404)
    )
    def train(identifier: Identifier) -> dict[str, str]:
        if not service.train(identifier):
            raise HTTPException(404, "no such query")
        return {"id": identifier, "status": "scheduled"}

    @routes.post(
        "/api/v1/models/{id:path}/rollback",
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
            "trained_at": written(query.learned_at) if query.is_ready else None,
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
        "/api/v1/metrics/{name:path}/data",
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
        first, last = seconds(start, -math.inf), seconds(end, math.inf)
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
            fields = {name: finite(getattr(point, name)) for name in ("value", "score", "expected", "lower", "upper")}
            points.append({"timestamp": written(point.time), **fields})
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
        if service.sources.prometheus is not None:
            services["prometheus"] = "healthy" if service.sources.prometheus.is_well() else "unhealthy"
        queries = {name: {"status": _status(query), "error": _error(query)} for name, query in service.queries.items()}
        contexts = [
            {"kind": one.kind, "status": "unhealthy" if error else "healthy", "error": str(error) if error else None}
            for one, error in service.sources.contexts.states()
        ]
        if queries:
            failing = any(one["status"] == "unhealthy" for one in (*queries.values(), *contexts))
            services["anomalies"] = "degraded" if failing else "healthy"
        status = "healthy" if set(services.values()) == {"healthy"} else "degraded"
        return {
            "status": status,
            "timestamp": written(service.now()),
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
