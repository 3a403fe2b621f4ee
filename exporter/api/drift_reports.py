"""`POST /api/v1/metrics/drift`: drift that was found elsewhere, into the history."""

import time
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from exporter import body
from exporter.api import asked as ask
from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable, drift
from exporter.history.noticed import reported
from exporter.history.recorder import Recorder

BODY_BYTES = 1 << 20
#: of all these together
_room = body.Room(16 * BODY_BYTES)
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "description": "One report, or an array of them",
                "example": {"model_id": "fraud", "drift_type": "data", "severity": "high", "confidence": 0.9},
                "type": "object",
                "required": ["model_id", "drift_type", "severity", "confidence"],
                "properties": {
                    "model_id": {"type": "string"},
                    "drift_type": {"type": "string", "enum": ["data", "concept"]},
                    "severity": {"type": "string", "enum": ["low", "medium", "high", "critical"]},
                    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                    "feature": {"type": "string"},
                    "drift_score": {"type": "number"},
                    "tags": {"type": "object"},
                },
            }
        }
    },
}


def add(app: FastAPI, recorder: Recorder) -> None:
    """Add the route. The reports of a body are recorded all, or none."""

    @app.post(
        "/api/v1/metrics/drift",
        status_code=201,
        summary="Report drift that was found elsewhere",
        openapi_extra={"requestBody": _BODY},
    )
    async def report(request: Request) -> Response:
        try:
            with _room.share() as share:
                reports = drift.decode(await body.read(request.scope, request.receive, BODY_BYTES, share), Limits())
        except body.Refusal as error:
            return JSONResponse({"detail": error.detail}, error.status)
        except Unreadable as unreadable:
            return JSONResponse({"detail": str(unreadable)}, 400)
        except TooMany as many:
            return JSONResponse({"detail": str(many)}, 413)
        except Refused as refused:
            return JSONResponse({"detail": refused.reason}, 422)
        allowed = ask.sender(request).models
        if allowed is not None and any(one.model_id not in allowed for one in reports):
            return JSONResponse({"detail": "this key is not for all of these models"}, 403)
        if recorder.waiting + len(reports) > recorder.capacity:
            return JSONResponse({"detail": "the history cannot take more now; nothing was taken"}, 429, _LATER)
        now = time.time()
        for one in reports:
            recorder.add("drift", reported(one, now))
        return JSONResponse({"status": "success", "message": f"{len(reports)} reports taken"}, 201)


_LATER = {"retry-after": "10"}
