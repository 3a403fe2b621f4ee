"""The route that says whether the service and what belongs to it are well."""

from datetime import UTC, datetime

from fastapi import FastAPI

from exporter.history.recorder import Recorder
from exporter.version import VERSION


def add(app: FastAPI, recorder: Recorder | None) -> None:
    """Add the route. recorder: None where nothing is recorded."""

    @app.get("/api/v1/health", summary="Whether the service and its history are well")
    def health() -> dict[str, object]:
        services = {"exporter": "healthy"}
        if recorder is not None:
            services["history"] = "healthy" if recorder.is_up else "unhealthy"
        status = "healthy" if set(services.values()) == {"healthy"} else "degraded"
        now = datetime.now(UTC).isoformat()
        return {"status": status, "timestamp": now, "version": VERSION, "services": services}
