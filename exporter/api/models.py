"""The models over HTTP: registered with POST, listed with GET."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from exporter import body
from exporter.access.principal import ANYBODY, Principal
from exporter.api import asked as ask
from exporter.api.described import BODY, errors, fields, json_answer, request_body
from exporter.registration import NotReady, Registration, Wrong, decode

log = logging.getLogger(__name__)

#: a registration is no larger
BODY_BYTES = 64 * 1024
#: of all these together
_room = body.Room(64 * BODY_BYTES)

_MODEL = {
    **fields(
        *("id", "name", "model_type"),
        id="string",
        name="string",
        model_type={"type": "string", "enum": ["llm", "cv", "tabular"]},
        version="string",
        environment={"type": ["string", "null"], "enum": ["dev", "staging", "prod", None]},
        thresholds={
            "type": "object",
            "description": "latency in ms; error_rate, gpu_memory, cpu_usage and memory_usage from 0 to 1; "
            "cost_per_hour in dollars",
        },
        objectives={"type": "object", "description": "availability and latency, between 0 and 1"},
        prices={
            "type": "object",
            "description": "dollars for one input_token, output_token, request and gpu_second",
        },
    ),
    "additionalProperties": False,
    "example": {
        "id": "support-bot",
        "name": "Support bot",
        "model_type": "llm",
        "version": "3",
        "environment": "prod",
        "thresholds": {"latency": 2000, "error_rate": 0.02},
        "objectives": {"availability": 0.999, "latency": 0.95},
        "prices": {"input_token": 2.5e-7, "output_token": 1e-6},
    },
}
_ANSWERS = {
    201: json_answer("Registered, with what was left out", _MODEL),
    **errors(*BODY, 403, 422, _503="Not ready", _507="It cannot be written; nothing has changed"),
}


class Registry(Protocol):
    """Where models are registered."""

    def register(self, model: Registration) -> None:
        """Watch a model, or watch it as is said now. Raises Wrong, NotReady and OSError; then nothing changed."""

    def registered(self) -> list[dict[str, Any]]:
        """All models that are configured or registered."""


def add(app: FastAPI, registry: Registry, baselines: Callable[[], list[dict[str, Any]]] = list) -> None:
    """Add the routes. baselines: what was learned of series, which is listed as models of the kind `baseline`."""

    @app.post(
        "/api/v1/models",
        status_code=201,
        summary="Register a model",
        openapi_extra=request_body(_MODEL),
        responses=_ANSWERS,
    )
    async def register(request: Request) -> Response:
        by: Principal = request.scope.get("principal", ANYBODY)
        try:
            model = decode(await ask.whole(request, BODY_BYTES, _room))
            if by.models is not None and model.id not in by.models:
                return JSONResponse({"detail": "id: the key of this request is not for this model"}, 403)
            await run_in_threadpool(registry.register, model)
        except NotReady:
            return JSONResponse({"detail": "not ready"}, 503, {"retry-after": "1"})
        except Wrong as wrong:
            return JSONResponse({"detail": str(wrong)}, 422)
        except OSError as error:
            log.error("a model was not registered", extra={"reason": error.strerror or str(error)})
            return JSONResponse({"detail": "the registration cannot be written; nothing has changed"}, 507)
        return JSONResponse(msgspec.to_builtins(model), 201)

    @app.get("/api/v1/models", summary="The models that are configured or registered, and the baselines")
    def models(request: Request, kind: str | None = None) -> dict[str, Any]:
        by: Principal = request.scope.get("principal", ANYBODY)
        if by.models is None:
            known = registry.registered() + baselines()
        else:  # series belong to no model: a key for some models does not see them
            known = [model for model in registry.registered() if model["id"] in by.models]
        shown = [model for model in known if kind in (None, model["kind"])]
        return {"models": shown, "total": len(shown)}
