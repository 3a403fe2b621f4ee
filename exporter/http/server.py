"""HTTP: the hot paths as bare ASGI, everything else behind them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from exporter import body
from exporter.access.principal import ANYBODY, Principal
from exporter.config import Limits
from exporter.sources.detect import DetectIntake
from exporter.sources.push import PushIntake
from exporter.sources.reply import Reply, refusal
from exporter.sources.samples import SampleIntake

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: what answers to a body, its sender, and the models that the sender may speak of
Take = Callable[[bytes, str, Collection[str] | None], Awaitable[Reply]]
Handler = Callable[[Scope, body.Receive], Awaitable[Reply]]
App = Callable[[Scope, body.Receive, Send], Awaitable[None]]

#: what a body that is refused as a whole counts as, by status
CODES = {413: "too_large", 429: "queue_full"}
#: where samples are taken, by source
SAMPLE_PATHS = {
    "inference": "/api/v1/metrics/inference",
    "custom": "/api/v1/metrics/custom",
    "feedback": "/api/v1/feedback",
    "drift": "/api/v1/metrics/drift",
}
TEXT = b"text/plain; charset=utf-8"
NOT_READY = refusal(503, "not ready", 1)


class HotPaths:
    """The ASGI application: a table of hot paths, and the application behind it for the rest."""

    def __init__(
        self,
        push: PushIntake,
        detect: DetectIntake,
        registry: CollectorRegistry,
        is_ready: Callable[[], bool],
        behind: App,
        limits: Limits,
        telemetry_path: str = "/metrics",
        samples: Mapping[str, SampleIntake] | None = None,
    ) -> None:
        self._push, self._detect, self._registry = push, detect, registry
        self._is_ready, self._behind = is_ready, behind
        self._limits, self._room = limits, body.Room(limits.bodies_bytes)
        self._scrapes = asyncio.Semaphore(4)
        #: by path; who asks there with another method is answered by the application behind
        self._samples = samples or {}
        self._intakes: dict[str, PushIntake | DetectIntake | SampleIntake] = {
            "/api/v1/queries": push,
            "/detect": detect,
            **self._samples,
        }
        self._routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            "/api/v1/queries": (("POST",), self._queries),
            "/detect": (("POST",), self._detect_one),
            **dict.fromkeys(self._samples, (("POST",), self._take_samples)),
            telemetry_path: (("GET", "HEAD"), self._metrics),
            "/-/healthy": (("GET", "HEAD"), self._healthy),
            "/-/ready": (("GET", "HEAD"), self._ready),
        }

    async def __call__(self, scope: Scope, receive: body.Receive, send: Send) -> None:
        """Answer one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or (scope["path"] in self._samples and scope["method"] != "POST"):
            if self._is_ready() or scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
                await self._behind(scope, receive, send)
                return
            route = ((scope["method"],), self._not_ready)  # who changes what is being brought back would spoil it
        methods, handler = route
        more: tuple[tuple[bytes, bytes], ...] = ()
        try:
            if scope["method"] in methods:
                reply = await handler(scope, receive)
            else:
                reply, more = refusal(405, "method not allowed"), ((b"allow", ", ".join(methods).encode()),)
        except body.Refusal as error:
            self._intakes[scope["path"]].reject(CODES.get(error.status, "malformed"))
            reply = refusal(error.status, error.detail, error.retry_after)
        except body.Gone:
            return
        if reply.retry_after is not None:
            more = ((b"retry-after", b"%d" % reply.retry_after),)
        headers = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body)), *more]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _taken(self, scope: Scope, receive: body.Receive, take: Take) -> Reply:
        """What `take` answers to the whole body."""
        with self._room.share() as share:
            data = await body.read(scope, receive, self._limits.body_bytes, share)
            if not self._is_ready():
                return NOT_READY
            by: Principal = scope.get("principal", ANYBODY)
            return await take(data, by.id, by.models)

    async def _queries(self, scope: Scope, receive: body.Receive) -> Reply:
        return await self._taken(scope, receive, self._pushed)

    async def _pushed(self, data: bytes, sender: str, models: Collection[str] | None) -> Reply:
        if body.is_light(data):
            answer = self._push.push(data, sender, models)
        else:  # large bodies and pictures take their time; the loop goes on meanwhile
            answer = await body.heavily(self._push.push, data, sender, models)
        return answer.result() if answer.done() else await asyncio.wrap_future(answer)

    async def _detect_one(self, scope: Scope, receive: body.Receive) -> Reply:
        return await self._taken(scope, receive, self._detect.detect)

    def configure(self, limits: Limits) -> None:
        """Take over the limits of bodies."""
        self._limits, self._room.limit = limits, limits.bodies_bytes

    async def _take_samples(self, scope: Scope, receive: body.Receive) -> Reply:
        return await self._taken(scope, receive, self._samples[scope["path"]].take)

    async def _metrics(self, scope: Scope, receive: body.Receive) -> Reply:
        headers = dict(scope["headers"])
        encode, content_type = _encoder(headers.get(b"accept", b"").decode("latin-1"))
        async with self._scrapes:
            page = await asyncio.to_thread(encode, self._registry)
        return Reply(200, page, content_type=content_type.encode())

    async def _not_ready(self, scope: Scope, receive: body.Receive) -> Reply:
        return NOT_READY

    async def _healthy(self, scope: Scope, receive: body.Receive) -> Reply:
        return Reply(200, b"healthy\n", content_type=TEXT)

    async def _ready(self, scope: Scope, receive: body.Receive) -> Reply:
        ready = self._is_ready()
        return Reply(200 if ready else 503, b"ready\n" if ready else b"not ready\n", content_type=TEXT)


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """What the client prefers of the formats there are; plain text where it says something that makes no sense."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")
