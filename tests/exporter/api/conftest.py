"""The routes of the history, served as they are, over an empty database."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from exporter.access.principal import Principal
from exporter.api import alerts, health, history
from exporter.api.app import build
from exporter.api.asked import answer_unavailable
from exporter.config import Config, History, Storage
from exporter.history.alertmanager import Alertmanager
from exporter.history.recorder import Recorder
from tests.exporter.answers import check_httpx
from tests.exporter.history.postgres import Postgres


class Api:
    """The application and the recorder behind it. `by` is who asks; None for anybody."""

    def __init__(self, config: Config, alertmanager: Alertmanager | None = None, silences: bool = False) -> None:
        self.recorder = Recorder(config)
        self.by: Principal | None = None

        def add(app: Any) -> None:
            answer_unavailable(app)
            health.add(app, self.recorder)
            history.add(app, self.recorder)
            alerts.add(app, self.recorder, alertmanager, silences)

        self._app = build(None, "/metrics", add_routes=add)
        self.http = TestClient(self._as_somebody, raise_server_exceptions=False)
        self.http.event_hooks["response"].append(check_httpx)

    async def _as_somebody(self, scope: Any, receive: Any, send: Any) -> None:
        async def as_uvicorn_does() -> Any:
            return {"body": b"", "more_body": False} | await receive()

        if self.by is not None:
            scope["principal"] = self.by
        await self._app(scope, as_uvicorn_does, send)

    def record(self, kind: Any, *rows: Any) -> None:
        for row in rows:
            assert self.recorder.add(kind, row)
        assert self.recorder.turn()


@pytest.fixture
def make_api(tmp_path: Path) -> Iterator[Callable[..., Api]]:
    made = []

    def make(url: str | None = None, **more: Any) -> Api:
        api = Api(Config(storage=Storage(path=str(tmp_path)), history=History(url=url)), **more)
        made.append(api)
        return api

    yield make
    for api in made:
        api.http.close()
        api.recorder.stop(0)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_api(request: pytest.FixtureRequest, make_api: Callable[..., Api]) -> Api:
    """The same over each of both databases."""
    if request.param == "sqlite":
        return make_api()
    url: str = request.getfixturevalue("postgres").new_database()
    return make_api(url.replace("vedette@", f"vedette:{Postgres.PASSWORD}@"))


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api()
