"""The cold paths on FastAPI: landing page, reload, and the OpenAPI page that covers the hot paths too."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline

from exporter.api.openapi import HOT_PATHS
from exporter.config_file import ConfigError
from exporter.version import VERSION
from exporter.web.landing import landing_page


def build(reload: Callable[[], None] | None, telemetry_path: str) -> FastAPI:
    """The application. `reload` takes over the configuration anew, or is None where that is not allowed over HTTP."""
    app = FastAPIOffline(title="Vedette", version=VERSION, redoc_url=None, static_url="/docs/static")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def landing() -> str:
        return landing_page(telemetry_path)

    @app.post("/-/reload", summary="Take over the configuration anew", responses={403: {}, 500: {}})
    def reload_configuration() -> Response:
        if reload is None:
            return JSONResponse({"detail": "start with --web.enable-lifecycle to allow this"}, 403)
        try:
            reload()
        except ConfigError as error:
            return JSONResponse({"detail": str(error)}, 500)
        return JSONResponse({"status": "success"})

    generated = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generated()
        hot = {telemetry_path if path == "/metrics" else path: methods for path, methods in HOT_PATHS.items()}
        schema["paths"] = {**hot, **schema["paths"]}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app
