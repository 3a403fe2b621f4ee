"""The routes that read the history: flagged queries and other rows, inferences, sums over time, the summary."""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from exporter.api import asked as ask
from exporter.api.answers import LINES, SUMS
from exporter.api.asked import CLIENT, HOURS, LIMIT, MODEL, TEXT, Format, Plain
from exporter.api.described import AS_CSV, errors
from exporter.config.units import duration
from exporter.history.minutes import RESOURCES
from exporter.history.recorder import Recorder
from exporter.history.rows import ROWS, Drift, InferenceSample, Kind

if TYPE_CHECKING:
    from exporter.history.reads import Window

FORMAT = Annotated[Format | None, Query(description="Stream all rows, or `limit` of them, as JSON or CSV")]
LEVEL = Annotated[str | None, Query(pattern=TEXT, description="Only changes to this level")]
#: points of one line
MAX_POINTS = 10_000
SHORTEST_WINDOW = 60

#: what is answered with rows: JSON, or CSV where that is asked for
ROWS_OR_NONE = errors(422, 503) | AS_CSV


def add(app: FastAPI, recorder: Recorder) -> None:
    """Add the routes."""
    _add_rows(app, recorder)
    _add_metrics(app, recorder)
    _add_sums(app, recorder)


def _add_rows(app: FastAPI, recorder: Recorder) -> None:
    rows = Rows(recorder)

    @app.get(
        "/api/v1/queries/flagged", summary="Queries that a detector flagged, the newest first", responses=ROWS_OR_NONE
    )
    def flagged(
        request: Request,
        model_id: MODEL = None,
        client: CLIENT = None,
        since_hours: HOURS = 24,
        limit: LIMIT | None = None,
        cursor: str | None = None,
        format: FORMAT = None,
    ) -> Response:
        chosen = rows.asked(request, model_id, since_hours, client=client)
        return rows.answer("flagged_queries", "queries", chosen, limit, cursor, format)

    @app.get("/api/v1/clients/alarms", summary="Clients whose level changed, the newest first", responses=ROWS_OR_NONE)
    def alarms(
        request: Request,
        model_id: MODEL = None,
        client: CLIENT = None,
        level: LEVEL = None,
        since_hours: HOURS = 24,
        limit: LIMIT | None = None,
        cursor: str | None = None,
        format: FORMAT = None,
    ) -> Response:
        chosen = rows.asked(request, model_id, since_hours, client=client, level=level)
        return rows.answer("client_alarms", "alarms", chosen, limit, cursor, format)


def _add_metrics(app: FastAPI, recorder: Recorder) -> None:
    rows = Rows(recorder)

    @app.get("/api/v1/metrics/inference", summary="Inferences, the newest first", responses=ROWS_OR_NONE)
    def inference(
        request: Request,
        model_id: MODEL = None,
        since_hours: Annotated[float, Query(gt=0, le=168)] = 24,
        limit: LIMIT | None = None,
        cursor: str | None = None,
        format: FORMAT = None,
    ) -> Response:
        chosen = rows.asked(request, model_id, since_hours)
        return rows.answer("inference", "metrics", chosen, limit, cursor, format)

    @app.get(
        "/api/v1/metrics/drift", summary="Drift that was found or reported, the newest first", responses=ROWS_OR_NONE
    )
    def drift(
        request: Request,
        model_id: MODEL = None,
        drift_type: Literal["data", "concept"] | None = None,
        since_hours: Annotated[float, Query(gt=0, le=24 * 366)] = 24,
        limit: LIMIT | None = None,
        cursor: str | None = None,
        format: FORMAT = None,
    ) -> Response:
        chosen = rows.asked(request, model_id, since_hours, drift_type=drift_type)
        return rows.answer("drift", "drift_metrics", chosen, limit, cursor, format)

    @app.get("/api/v1/metrics/aggregated", summary="Latency, throughput and errors over time", responses=ROWS_OR_NONE)
    def aggregated(
        request: Request, model_id: MODEL = None, since_hours: HOURS = 24, window: str = "5m", format: Format = "json"
    ) -> Response:
        from exporter.history.reads import windows

        seconds = _window(window, since_hours)
        with ask.database(recorder) as database:
            found = windows(database, rows.asked(request, model_id, since_hours), seconds, time.time())
        if format == "csv":
            lines = [dict(zip(LINES, _values(one), strict=True)) for one in found]
            timed = ({"time": ask.written(one.start), **line} for one, line in zip(found, lines, strict=True))
            return ask.csv_of("aggregated_metrics", ["time", *LINES], timed)
        points: dict[str, list[Plain]] = {name: [] for name in LINES}
        for one in found:
            for name, value in zip(LINES, _values(one), strict=True):
                if value is not None:
                    points[name].append({"time": ask.written(one.start), "value": value})
        return _json({"aggregated_metrics": points})


def _add_sums(app: FastAPI, recorder: Recorder) -> None:
    rows = Rows(recorder)

    @app.get("/api/v1/summary", summary="One number each, of all that was measured lately", responses=errors(422, 503))
    def summary(request: Request, model_id: MODEL = None, since_hours: HOURS = 24) -> Response:
        from exporter.history.alert_book import AlertBook
        from exporter.history.reads import whole

        chosen = rows.asked(request, model_id, since_hours)
        with ask.database(recorder) as database:
            total = whole(database, chosen)
            active = AlertBook(database, recorder.numbers).active(chosen.models)
        return _json(
            {
                "total_requests": total.queries,
                "average_latency": ask.milliseconds(total.mean_latency) or 0.0,
                "error_rate": total.error_rate or 0.0,
                "p95_latency": ask.milliseconds(total.sketch.quantile(0.95)) or 0.0,
                "p99_latency": ask.milliseconds(total.sketch.quantile(0.99)) or 0.0,
                "active_alerts": active,
            }
        )


class Rows:
    """Answers with rows of one kind: a page of them, or all as a stream."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def asked(self, request: Request, model_id: str | None, since_hours: float, **equal: Any) -> Any:
        """Which rows. Raises HTTPException."""
        from exporter.history.reads import Asked

        given = {name: value for name, value in equal.items() if value is not None}
        return Asked(ask.since(since_hours), models=ask.models(request, model_id), equal=given)

    def answer(
        self, kind: Kind, name: str, chosen: Any, limit: int | None, cursor: str | None, written: Format | None
    ) -> Response:
        """`{name: [...], "next_cursor"}`, or with a format a stream of all. Raises HTTPException."""
        from exporter.history.reads import page, stream

        with ask.database(self._recorder) as database:
            if written is not None:
                return _streamed(kind, name, (shown(kept) for kept in stream(database, kind, chosen, limit)), written)
            try:
                found = page(database, kind, chosen, limit or 100, cursor)
            except ValueError:
                raise HTTPException(422, "cursor: expected the next_cursor of an answer") from None
        return _json({name: [shown(kept) for kept in found.rows], "next_cursor": found.cursor})


def _streamed(kind: Kind, name: str, rows: Iterator[Plain], written: Format) -> Response:
    from exporter.history.export import as_json

    first = next(rows, None)  # an error before the first row still has a status
    every: Iterable[Plain] = () if first is None else chain([first], rows)
    if written == "json":
        return StreamingResponse(as_json(name, every), media_type="application/json")
    return ask.csv_of(name, _columns(kind), every)


def _columns(kind: Kind) -> list[str]:
    """The names on the wire, where there is a row and where there is none: those of a row whose values are nothing."""
    from exporter.history.reads import Kept

    nothing: dict[str, Any] = dict.fromkeys(ROWS[kind].__struct_fields__, 0)
    return list(shown(Kept(0, ROWS[kind](**nothing))))


def shown(kept: Any) -> Plain:
    """A row as the wire has it."""
    row = kept.row
    if isinstance(row, InferenceSample):
        return {"id": str(kept.id), **_inference(row)}
    plain: Plain = kept.plain()
    plain["timestamp"], plain["model_id"] = ask.written(plain.pop("time")), plain.pop("model")
    if isinstance(row, Drift):
        plain["drift_score"] = plain.pop("score")
    return plain


def _inference(row: InferenceSample) -> Plain:
    return {
        "timestamp": ask.written(row.time),
        "model_id": row.model,
        "model_type": row.model_type,
        "request_id": row.request_id,
        "latency": ask.milliseconds(row.latency_seconds),
        "time_to_first_token": ask.milliseconds(row.first_token_seconds),
        "throughput": row.throughput,
        "error_rate": row.error_rate,
        "resource_usage": {name: value for name in RESOURCES if (value := getattr(row, name)) is not None},
        "tags": row.tags,
        "client": row.client,
        "error": row.error,
        "tokens": {"input": row.tokens_input, "output": row.tokens_output},
        "cost_dollars": row.cost_dollars,
        "joined": row.joined,
    }


def _values(window: "Window") -> tuple[float | None, ...]:
    """What came of a window, in the order of LINES."""
    latencies = ask.milliseconds(window.mean_latency), ask.milliseconds(window.sketch.quantile(0.95))
    resources = (window.mean(name) for name in RESOURCES)
    sums = (getattr(window, name) or None for name in SUMS)
    return *latencies, window.queries / window.seconds, window.error_rate, *resources, *sums


def _window(text: str, since_hours: float) -> float:
    try:
        seconds = float(duration(text))
    except ValueError:
        raise HTTPException(422, "window: expected a duration such as 5m or 1h") from None
    if seconds < SHORTEST_WINDOW or seconds % SHORTEST_WINDOW:
        raise HTTPException(422, "window: expected whole minutes, such as 5m")
    if since_hours * 3600 / seconds > MAX_POINTS:
        raise HTTPException(422, f"window: more than {MAX_POINTS} points; ask for a longer window or fewer hours")
    return seconds


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
