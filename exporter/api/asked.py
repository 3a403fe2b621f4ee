"""What the routes have in common: who may see which models, bodies, times, and a database that is away."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from exporter import body
from exporter.access.principal import ANYBODY, Principal
from exporter.formats import Refused, Unreadable
from exporter.formats.native import BROKEN
from exporter.formats.whole import refused
from exporter.history.recorder import Recorder, reason_of

if TYPE_CHECKING:
    from exporter.history.database import Database

log = logging.getLogger(__name__)

Asked = TypeVar("Asked")
MAX_ROWS = 10_000
#: what PostgreSQL takes for a text
TEXT = r"^[^\x00]*$"
MODEL = Annotated[str | None, Query(max_length=128, pattern=TEXT, description="Only this model")]
CLIENT = Annotated[str | None, Query(pattern=TEXT, description="Only this client")]
HOURS = Annotated[float, Query(gt=0, le=24 * 366, description="How far to look back")]
Format = Literal["json", "csv"]
LIMIT = Annotated[int, Query(ge=1, le=MAX_ROWS)]


class Unavailable(Exception):
    """The database of the history cannot be had."""


def answer_unavailable(app: FastAPI) -> None:
    """Have Unavailable answered with 503."""

    @app.exception_handler(Unavailable)
    def unavailable(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "the history cannot be reached"}, 503, {"Retry-After": "30"})


@contextlib.contextmanager
def database(recorder: Recorder) -> Iterator["Database"]:
    """The database, whose errors become Unavailable; the reason is in the log, for it may name hosts."""
    from sqlalchemy.exc import SQLAlchemyError

    from exporter.history.database import WrongAddress

    try:
        yield recorder.database()
    except (SQLAlchemyError, WrongAddress, OSError) as error:
        log.warning("the history cannot be reached", extra={"reason": reason_of(error)})
        raise Unavailable from None


def sender(request: Request) -> Principal:
    """Who asks."""
    by: Principal = request.scope.get("principal", ANYBODY)
    return by


def models(request: Request, model_id: str | None) -> frozenset[str] | None:
    """The models that the sender asks for and may see; None for all. Raises HTTPException."""
    allowed = sender(request).models
    if model_id is None:
        return allowed
    if allowed is not None and model_id not in allowed:
        raise HTTPException(403, "this key is not for this model")
    return frozenset({model_id})


def since(hours: float) -> float:
    """The time so many hours ago."""
    return time.time() - hours * 3600


def written(seconds: float | None) -> str | None:
    """A time as RFC 3339, in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def milliseconds(seconds: float | None) -> float | None:
    """As the wire has latencies."""
    return None if seconds is None else round(seconds * 1000, 6)


def decoded(content: bytes, kind: type[Asked]) -> Asked:
    """What the JSON of a small body says. Raises HTTPException, which names the field that is wrong."""
    try:
        return msgspec.json.decode(content, type=kind)
    except BROKEN as error:
        problem = refused(content, error, ())
        status = 400 if isinstance(problem, Unreadable) else 422
        raise HTTPException(status, problem.reason if isinstance(problem, Refused) else str(problem)) from None


async def whole(request: Request, limit: int, room: body.Room) -> bytes:
    """The body of a request, within bounds. Raises HTTPException."""
    try:
        with room.share() as share:
            return await body.read(request.scope, request.receive, limit, share)
    except body.Refusal as error:
        later = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        raise HTTPException(error.status, error.detail, later) from None
    except body.Gone:
        raise HTTPException(400, "the body was cut off") from None


def csv_of(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """Rows as a file for spreadsheets, piece by piece."""
    from exporter.history.export import as_csv

    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(as_csv(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


Plain = dict[str, Any]
