"""The cold paths on FastAPI: landing page, reload, and the OpenAPI page that covers the hot paths too."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline

from exporter.access import AccessError
from exporter.access.principal import ANYBODY, Principal
from exporter.api.answers import with_answers
from exporter.api.described import errors, with_answers_of_the_gate
from exporter.api.openapi import HOT_PATHS
from exporter.config_file import ConfigError
from exporter.version import VERSION
from exporter.web.landing import landing_page

UNCHANGED = "The configuration is wrong, as is said; what was in force still is"
#: said of the whole interface
EVERYWHERE = """Whatever is asked for, a connection may also be answered 400 (no HTTP), 408 (too slow), 431 (headers of
more than 64 KiB) and 503 (too many connections; while starting, whatever would change something)."""


def build(
    reload: Callable[[], None] | None,
    telemetry_path: str,
    for_anybody: bool = True,
    add_routes: Callable[[FastAPI], None] = lambda app: None,
) -> FastAPI:
    """The application. `reload` takes over the configuration anew, or is None where that is not allowed over HTTP.

    for_anybody: whether those without a key may reload too, where the service is open.
    add_routes: adds those of what is turned on.
    """
    app = FastAPIOffline(
        title="Vedette", description=EVERYWHERE, version=VERSION, redoc_url=None, static_url="/docs/static"
    )

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def landing() -> str:
        return landing_page(telemetry_path)

    @app.post("/-/reload", summary="Take over the configuration anew", responses=errors(403, _500=UNCHANGED))
    def reload_configuration(request: Request) -> Response:
        by: Principal = request.scope.get("principal", ANYBODY)
        if reload is None or not (for_anybody or by.id):
            return JSONResponse({"detail": "start with --web.enable-lifecycle to allow this"}, 403)
        try:
            reload()
        except (ConfigError, AccessError) as error:
            return JSONResponse({"detail": str(error)}, 500)
        return JSONResponse({"status": "success"})

    add_routes(app)
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generated()
        hot = {telemetry_path if path == "/metrics" else path: methods for path, methods in HOT_PATHS.items()}
        cold = with_answers(schema["paths"])
        paths = {path: {**hot.get(path, {}), **cold.get(path, {})} for path in (*hot, *cold)}
        schema["paths"] = with_answers_of_the_gate(paths)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app
