"""Clients over HTTP: who is suspicious and why, and what people decide about them.

What changes here is in the state, and on the disk before the answer: a restart does not bring a dismissed alarm back.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from exporter.access.principal import ANYBODY, Principal
from exporter.api.described import errors
from exporter.clients import Suspicion
from exporter.clients.views import ClientView
from exporter.labels import label_value
from exporter.pipeline import Pipeline
from exporter.pseudonyms import Pseudonyms
from exporter.watched_model import WatchedModel
from exporter.web.clients import client_page, clients_page

Level = Literal["ok", "watch", "alarm", "severe"]
MOST_LISTED, MOST_ON_PAGE = 1_000, 200
UNKNOWN = "no model knows this client"


class ClientDesk:
    """Where questions about clients, and decisions on them, are answered.

    save: keeps the state as it is now; False when that failed. clock: seconds since 1970.
    """

    def __init__(
        self, pipeline: Pipeline, pseudonyms: Pseudonyms, save: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        self._pipeline, self._pseudonyms, self._save, self._clock = pipeline, pseudonyms, save, clock
        self._shown = pseudonyms.shown

    def ranked(self, model: str | None, level: str, by: Principal, part: slice) -> tuple[int, list[dict[str, Any]]]:
        """How many clients are of at least a level, and a part of them, the most suspicious first.

        What is shown is made for that part alone: judging waits meanwhile.
        """
        with self._pipeline.weighed():
            known = {
                watched.name: (suspicion, watched.now(self._clock())) for watched, suspicion in self._models(model, by)
            }
            ranks = [suspicion.memory.board.ranked(now, level) for suspicion, now in known.values()]
        entries = [
            (-ratio, client, name) for name, ranked in zip(known, ranks, strict=True) for ratio, client in ranked
        ]
        entries.sort()
        asked: defaultdict[str, list[str]] = defaultdict(list)
        for _, client, name in entries[part]:
            asked[name].append(client)
        with self._pipeline.lock:
            views = {
                (view.client, name): view
                for name, clients in asked.items()
                for view in known[name][0].read.views(clients, known[name][1])
            }
        found = [(name, views[client, name]) for _, client, name in entries[part] if (client, name) in views]
        return len(entries), [self._plain(name, view, examples=False) for name, view in found]

    def show(self, client: str, model: str | None, by: Principal) -> list[dict[str, Any]]:
        """A client at each model that knows it."""
        with self._pipeline.weighed():
            found = [
                (watched.name, view)
                for watched, suspicion in self._models(model, by)
                for name in self._names(suspicion, client)
                if (view := suspicion.read.client(name, watched.now(self._clock()))) is not None
            ]
        return [self._plain(name, view, examples=True) for name, view in found]

    def clusters(self, model: str | None, by: Principal) -> list[dict[str, Any]]:
        """All clusters in alarm, the latest first."""
        with self._pipeline.weighed():
            found = [
                (watched.name, view)
                for watched, suspicion in self._models(model, by)
                for view in suspicion.read.clusters()
            ]
        return [
            {
                "model": name,
                **msgspec.to_builtins(view),
                "clients": {self._shown(client): count for client, count in view.clients.items()},
            }
            for name, view in found
        ]

    def warm_up(self, model: str | None, by: Principal) -> list[dict[str, Any]]:
        """What each model has learned, which evidence is of use there, and what may belong on its allow-list."""
        with self._pipeline.weighed():
            return [
                {
                    "model": watched.name,
                    "ratio": suspicion.read.warm_up_ratio(),
                    "evidence": [msgspec.to_builtins(bit) for bit in suspicion.read.bits()],
                    "suggestions": [
                        {**msgspec.to_builtins(one), "client": self._shown(one.client)}
                        for one in suspicion.read.suggestions()
                    ],
                }
                for watched, suspicion in self._models(model, by)
            ]

    def dismiss(self, client: str, model: str | None, by: Principal) -> dict[str, list[str]] | None:
        """Take all evidence off a client; by model, the families that were in alarm. None when nobody knows it."""
        return self._decide(client, model, by, lambda suspicion, name: list(suspicion.dismiss(name)))

    def erase(self, client: str, model: str | None, by: Principal) -> dict[str, bool] | None:
        """Forget a client; by model, whether anything was known. None when nobody knows it."""
        return self._decide(client, model, by, lambda suspicion, name: suspicion.erase(name))

    def restart_warm_up(self, model: str, by: Principal) -> bool:
        """Learn anew what is natural for a model; False when there is no such model."""

        def restart() -> bool:
            with self._pipeline.weighed():
                found = [suspicion for _, suspicion in self._models(model, by)]
                for suspicion in found:
                    suspicion.restart_warm_up()
            return bool(found)

        return self._pipeline.between(restart) and self._kept()

    def _decide(
        self, client: str, model: str | None, by: Principal, decision: Callable[[Suspicion, str], Any]
    ) -> dict[str, Any] | None:
        def decide() -> dict[str, Any]:
            with self._pipeline.weighed():
                return {
                    watched.name: decision(suspicion, name)
                    for watched, suspicion in self._models(model, by)
                    for name in self._names(suspicion, client)
                }

        decided = self._pipeline.between(decide)
        if decided:
            self._kept()
        return decided or None

    def _kept(self) -> bool:
        if not self._save():
            raise HTTPException(507, "done, but not on the disk: after a restart it may be undone")
        return True

    def _models(self, model: str | None, by: Principal) -> Iterator[tuple[WatchedModel, Suspicion]]:
        for watched in self._pipeline.models.by_label.values():
            may = by.models is None or watched.name in by.models
            if watched.suspicion is not None and may and model in (None, watched.name):
                yield watched, watched.suspicion

    def _names(self, suspicion: Suspicion, client: str) -> list[str]:
        """The clients that are shown by this name, or have it; in a label it may have other characters."""
        names = suspicion.read.names()
        for name in (client, self._pseudonyms.original(client)):
            if name is not None and name in names:
                return [name]
        return [name for name in names if label_value(self._shown(name)) == client]

    def _plain(self, model: str, view: ClientView, examples: bool) -> dict[str, Any]:
        plain = {"model": model, **msgspec.to_builtins(view), "client": self._shown(view.client)}
        if not examples:
            del plain["examples"]
        return plain


def add(app: FastAPI, desk: ClientDesk) -> None:
    """Add the routes of a desk."""
    app.include_router(_routes(desk))
    app.include_router(_pages(desk))


def _routes(desk: ClientDesk) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["clients"])

    @router.get("/clients", summary="Clients, the most suspicious first")
    def clients(
        request: Request,
        model: str | None = None,
        level: Level = "ok",
        skip: int = Query(0, ge=0),
        limit: int = Query(100, ge=1, le=MOST_LISTED),
    ) -> dict[str, Any]:
        total, found = desk.ranked(model, level, _by(request), slice(skip, skip + limit))
        return {"total": total, "clients": found}

    @router.get("/clients/{client:path}", summary="One client, with the evidence on it", responses=errors(404))
    def client(request: Request, client: str, model: str | None = None) -> dict[str, Any]:
        found = desk.show(client, model, _by(request))
        if not found:
            raise HTTPException(404, UNKNOWN)
        return {"client": client, "models": found}

    @router.post(
        "/clients/{client:path}/dismiss", summary="The alarm was a false one: take it back", responses=errors(404, 507)
    )
    def dismiss(request: Request, client: str, model: str | None = None) -> dict[str, Any]:
        decided = desk.dismiss(client, model, _by(request))
        if decided is None:
            raise HTTPException(404, UNKNOWN)
        return {"client": client, "dismissed": decided}

    @router.delete("/clients/{client:path}", summary="Forget a client", responses=errors(404, 507))
    def erase(request: Request, client: str, model: str | None = None) -> dict[str, Any]:
        decided = desk.erase(client, model, _by(request))
        if decided is None:
            raise HTTPException(404, UNKNOWN)
        return {"client": client, "erased": decided}

    @router.get("/clusters", summary="Clusters of near variants in alarm, the latest first")
    def clusters(request: Request, model: str | None = None) -> dict[str, Any]:
        found = desk.clusters(model, _by(request))
        return {"total": len(found), "clusters": found}

    @router.get("/warm-up", summary="What each model has learned, and which evidence is of use there")
    def warm_up(request: Request, model: str | None = None) -> dict[str, Any]:
        return {"models": desk.warm_up(model, _by(request))}

    @router.post("/models/{model:path}/warm-up", summary="Learn anew what is natural", responses=errors(404, 507))
    def restart_warm_up(request: Request, model: str) -> dict[str, str]:
        if not desk.restart_warm_up(model, _by(request)):
            raise HTTPException(404, "there is no such model")
        return {"status": "success"}

    return router


def _pages(desk: ClientDesk) -> APIRouter:
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/clients")
    def clients(request: Request, model: str | None = None) -> str:
        total, found = desk.ranked(model, "ok", _by(request), slice(MOST_ON_PAGE))
        return clients_page(found, total)

    @router.get("/clients/{client:path}")
    def client(request: Request, client: str, model: str | None = None) -> str:
        found = desk.show(client, model, _by(request))
        if not found:
            raise HTTPException(404, UNKNOWN)
        return client_page(client, found)

    return router


def _by(request: Request) -> Principal:
    principal: Principal = request.scope.get("principal", ANYBODY)
    return principal
