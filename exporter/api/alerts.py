"""The routes about alerts: Alertmanager's webhook, the list, and what people say of one."""

import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from exporter import body
from exporter.api import asked as ask
from exporter.api.asked import HOURS, LIMIT, MODEL, Format, Plain
from exporter.api.described import AS_CSV, BODY, errors, fields, json_answer, request_body
from exporter.config.units import duration
from exporter.formats.native import BROKEN
from exporter.history.recorder import Recorder

if TYPE_CHECKING:
    from exporter.history.alert_book import AlertBook, KeptAlert
    from exporter.history.alertmanager import Alertmanager

DEFAULT_SECONDS, LONGEST_SECONDS = 3_600.0, 86_400.0
#: of one webhook: thousands of alerts
BODY_BYTES = 8 << 20
#: of all these together
_room = body.Room(16 * BODY_BYTES)
JSON = "application/json"
#: of an alert as CSV
COLUMNS = (
    *("id", "model_id", "alert_type", "severity", "message", "timestamp", "resolved", "resolved_at", "state"),
    *("category", "acknowledged", "acknowledged_by", "acknowledged_until", "comment", "labels", "annotations"),
)
AlertId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_WEBHOOK = fields(
    "alerts",
    alerts={
        "type": "array",
        "items": fields(
            *("fingerprint", "status", "labels", "startsAt", "endsAt"),
            fingerprint="string",
            status={"type": "string", "enum": ["firing", "resolved"]},
            labels=_TEXTS,
            annotations=_TEXTS,
            startsAt={"type": "string", "format": "date-time"},
            endsAt={"type": "string", "format": "date-time", "description": "Of what fires, the year 1"},
        ),
    },
)
_REJECTED = {"type": "array", "items": fields(index="integer", reason="string")}
_HEARD = fields(stored="integer", rejected=_REJECTED)
_ID = {"type": "string", "minLength": 1, "maxLength": 200, "description": "`id` in the list of alerts"}
_RESOLVE = fields("alert_id", alert_id=_ID)
_STATE = {"type": "string", "enum": ["firing", "resolved"]}
_RESOLVED = fields(status="string", alert_id="string", resolved="boolean", state=_STATE)
_ACKNOWLEDGE = fields(
    "alert_id",
    alert_id=_ID,
    duration={"type": ["string", "number", "null"], "description": "Such as 30m, or seconds; 1h, 24h at most"},
    comment={"type": "string", "maxLength": 2_000, "description": "Without one, an earlier one stays"},
)
_ACKNOWLEDGED = fields(status="string", alert_id="string", until="string", silence_id=["string", "null"])


class _Resolve(msgspec.Struct):
    alert_id: AlertId


class _Acknowledge(msgspec.Struct):
    alert_id: AlertId
    duration: str | float | None = None
    comment: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


def add(app: FastAPI, recorder: Recorder, alertmanager: "Alertmanager | None", silences: bool) -> None:
    """Add the routes. silences: whether acknowledging makes one, where there is an Alertmanager."""
    desk = Desk(recorder, alertmanager, silences)

    @app.get(
        "/api/v1/alerts",
        summary="Alerts that began lately or fire still, the newest first",
        responses=errors(403, 503) | AS_CSV,
    )
    def listed(
        request: Request,
        model_id: MODEL = None,
        since_hours: HOURS = 24,
        resolved: bool | None = None,
        limit: LIMIT = 100,
        skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        format: Format = "json",
    ) -> Response:
        chosen = ask.models(request, model_id)
        with ask.database(recorder) as database:
            found = desk.book(database).listed(ask.since(since_hours), chosen, resolved, limit, skip)
        rows = [shown(alert, time.time()) for alert in found]
        if format == "csv":
            return ask.csv_of("alerts", COLUMNS, rows)
        return Response(msgspec.json.encode(rows), media_type=JSON)

    @app.post(
        "/api/v1/alerts/webhook",
        summary="Where Alertmanager sends its notifications",
        openapi_extra=request_body(_WEBHOOK),
        responses={200: json_answer("Stored; what was not understood is named", _HEARD), **errors(*BODY, 403, 503)},
    )
    async def webhook(request: Request) -> Response:
        content = await ask.whole(request, BODY_BYTES, _room)
        return await run_in_threadpool(desk.hear, content, ask.sender(request).models)

    @app.post(
        "/api/v1/alerts/resolve",
        summary="Say that an alert is over",
        openapi_extra=request_body(_RESOLVE),
        responses={200: json_answer("Marked; `state` is the true one", _RESOLVED), **errors(*BODY, 404, 422, 503)},
    )
    async def resolve(request: Request) -> Response:
        said = ask.decoded(await ask.whole(request, BODY_BYTES, _room), _Resolve)
        return await run_in_threadpool(desk.resolve, said, ask.sender(request))

    @app.post(
        "/api/v1/alerts/acknowledge",
        summary="Say that you look after an alert",
        openapi_extra=request_body(_ACKNOWLEDGE),
        responses={200: json_answer("Noted", _ACKNOWLEDGED), **errors(*BODY, 404, 409, 422, 502, 503)},
    )
    async def acknowledge(request: Request) -> Response:
        said = ask.decoded(await ask.whole(request, BODY_BYTES, _room), _Acknowledge)
        return await run_in_threadpool(desk.acknowledge, said, ask.sender(request))


class Desk:
    """Where alerts are heard of and answered for."""

    def __init__(self, recorder: Recorder, alertmanager: "Alertmanager | None", silences: bool) -> None:
        self._recorder, self._alertmanager, self._silences = recorder, alertmanager, silences

    def book(self, database: Any) -> "AlertBook":
        """The book in a database."""
        from exporter.history.alert_book import AlertBook

        return AlertBook(database, self._recorder.numbers)

    def hear(self, content: bytes, allowed: frozenset[str] | None) -> Response:
        """Store what a webhook tells: 200 for all that was understood, 503 when it could not be stored."""
        from exporter.history.alertmanager import read_webhook

        try:
            alerts, refused = read_webhook(content, time.time())
        except BROKEN as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            return JSONResponse({"detail": f"no webhook of Alertmanager: {reason}"}, 400)
        if allowed is not None and any(alert.model not in allowed for alert in alerts):
            return JSONResponse({"detail": "this key is not for all of these models"}, 403)
        with ask.database(self._recorder) as database:
            self.book(database).hear(alerts)
        rejected = [{"index": index, "reason": reason} for index, reason in refused]
        return JSONResponse({"stored": len(alerts), "rejected": rejected})

    def resolve(self, said: _Resolve, by: Any) -> Response:
        """Mark our record; the answer has the true state."""
        with ask.database(self._recorder) as database:
            book = self.book(database)
            alert = self._known(book, said.alert_id, by)
            book.mark_resolved(alert.id, by.id or "anybody", time.time())
            state = self._true_state(alert)
        return JSONResponse({"status": "success", "alert_id": alert.id, "resolved": True, "state": state})

    def acknowledge(self, said: _Acknowledge, by: Any) -> Response:
        """Note who looks after it, and silence it for that long where that is allowed."""
        seconds = _seconds(said.duration)
        with ask.database(self._recorder) as database:
            book = self.book(database)
            alert = self._known(book, said.alert_id, by)
            if alert.category == "self":
                raise HTTPException(409, "alerts about the exporter itself are not acknowledged here")
            if not alert.firing:
                raise HTTPException(409, "this alert is over")
            now, who = time.time(), by.id or "anybody"
            silence = self._silence(alert, now, now + seconds, who, said.comment)
            try:
                book.acknowledge(alert.id, who, now, now + seconds, said.comment, silence)
            except Exception:
                self._take_back(silence)
                raise
        until = ask.written(now + seconds)
        return JSONResponse({"status": "success", "alert_id": alert.id, "until": until, "silence_id": silence})

    def _known(self, book: "AlertBook", alert_id: str, by: Any) -> "KeptAlert":
        alert = book.get(alert_id)
        if alert is None or (by.models is not None and alert.model not in by.models):
            raise HTTPException(404, "there is no such alert")
        return alert

    def _true_state(self, alert: "KeptAlert") -> str:
        """What Alertmanager says now; where it cannot be asked, what it said last."""
        from exporter.history.alertmanager import Unreachable

        firing = alert.firing
        if self._alertmanager is not None:
            with contextlib.suppress(Unreachable):
                held = self._alertmanager.alerts(time.time(), _exactly(alert.labels))
                firing = any(one.id == alert.id for one in held)
        return "firing" if firing else "resolved"

    def _silence(self, alert: "KeptAlert", begins: float, ends: float, by: str, comment: str) -> str | None:
        from exporter.history.alertmanager import Unreachable

        if self._alertmanager is None or not self._silences:
            return None
        words = comment or alert.comment or "acknowledged"
        try:
            return self._alertmanager.silence(alert.labels, begins, ends, by, words, alert.silence_id)
        except Unreachable as error:
            raise HTTPException(502, f"nothing was acknowledged: {error}") from None

    def _take_back(self, silence: str | None) -> None:
        from exporter.history.alertmanager import Unreachable

        if silence is not None and self._alertmanager is not None:
            with contextlib.suppress(Unreachable):  # it ends by itself
                self._alertmanager.expire(silence)


def shown(alert: "KeptAlert", now: float) -> Plain:
    """An alert as the wire has it."""
    told = alert.annotations
    acknowledged = alert.firing and alert.acknowledged_until is not None and alert.acknowledged_until > now
    return {
        "id": alert.id,
        "model_id": alert.model,
        "alert_type": alert.alertname,
        "severity": alert.severity,
        "message": told.get("summary") or told.get("description", ""),
        "timestamp": ask.written(alert.starts_at),
        "resolved": alert.is_resolved,
        "resolved_at": ask.written(alert.resolved_at),
        "state": "firing" if alert.firing else "resolved",
        "category": alert.category,
        "acknowledged": acknowledged,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_until": ask.written(alert.acknowledged_until),
        "comment": alert.comment,
        "labels": alert.labels,
        "annotations": told,
    }


def _exactly(labels: dict[str, str]) -> list[str]:
    """Matchers of Alertmanager for these labels; JSON's quoting is theirs."""
    return [f"{name}={msgspec.json.encode(value).decode()}" for name, value in labels.items()]


def _seconds(given: str | float | None) -> float:
    """How long an acknowledgement holds. Raises HTTPException."""
    try:
        seconds = DEFAULT_SECONDS if given is None else float(duration(given))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise HTTPException(422, "duration: expected a duration such as 30m or 2h, of at most 24h")
    return seconds
