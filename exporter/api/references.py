"""The reference for drift over HTTP: freeze the last window as one, and go back to the configured one."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from exporter import body
from exporter.access.principal import Principal
from exporter.api import asked as ask
from exporter.api.described import BODY, errors, fields, request_body
from exporter.drift.judge import DriftJudge
from exporter.pipeline import Pipeline

#: a request is no larger
BODY_BYTES = 4096
#: of all these together
_room = body.Room(64 * BODY_BYTES)


class _Freeze(msgspec.Struct):
    version: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:/@-]{1,128}$")]


_FREEZE = fields("version", version={"type": "string", "description": "Your name of the reference"}) | {
    "example": {"version": "2026-06"}
}


class ReferenceDesk:
    """Changes references between two batches. save: keeps what was decided over a crash; False where it cannot."""

    def __init__(self, pipeline: Pipeline, save: Callable[[], bool]) -> None:
        self._pipeline, self._save = pipeline, save

    def change(self, model: str, by: Principal, change: Callable[[DriftJudge], bool]) -> bool:
        """Change the judge of a model; False where it would not. Raises HTTPException."""

        def decide() -> bool:
            with self._pipeline.lock:
                return change(self._judge(model, by))

        if not self._pipeline.between(decide):
            return False
        if not self._save():
            raise HTTPException(507, "done, but not on the disk: after a restart it may be undone")
        return True

    def _judge(self, model: str, by: Principal) -> DriftJudge:
        watched = self._pipeline.models.by_label.get(model)
        if watched is None or watched.drift is None or (by.models is not None and model not in by.models):
            raise HTTPException(404, "there is no such model, or no drift is looked for in it")
        return watched.drift


def add(app: FastAPI, desk: ReferenceDesk) -> None:
    """Add the routes."""

    @app.post(
        "/api/v1/models/{model:path}/reference",
        summary="Compare with the last full window from now on",
        responses=errors(*BODY, 404, 409, 422, 507),
        openapi_extra=request_body(_FREEZE),
    )
    async def freeze(request: Request, model: str) -> dict[str, str]:
        version = ask.decoded(await ask.whole(request, BODY_BYTES, _room), _Freeze).version
        by = ask.sender(request)
        if not await run_in_threadpool(desk.change, model, by, lambda judge: judge.freeze(version)):
            raise HTTPException(409, "no window has been full since the start")
        return {"status": "success", "reference_version": version, "source": "window"}

    @app.delete(
        "/api/v1/models/{model:path}/reference",
        summary="Go back to the reference that is configured",
        responses=errors(404, 507),
    )
    def begin_anew(request: Request, model: str) -> dict[str, str]:
        desk.change(model, ask.sender(request), DriftJudge.begin_anew)
        return {"status": "success"}
