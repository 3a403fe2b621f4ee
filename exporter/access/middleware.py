"""Around the application: the gate, answers to other sites (CORS), and headers that protect pages."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from exporter.access.gate import Denied, Gate
from exporter.config import Config

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
)
_PAGE = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'{}; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class AccessControl:
    """The ASGI application as it is served: what gets through the gate reaches the application inside.

    What it lets through has the sender in `scope["principal"]`.
    """

    def __init__(self, app: App, gate: Gate, config: Config) -> None:
        self._app, self.gate = app, gate
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take over which other sites may send."""
        self._sites = frozenset(config.access.cors_origins)
        parts = urlsplit(config.external.url)
        self._own = f"{parts.scheme}://{parts.netloc}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None:
            if origin.decode("latin-1") in self._sites:
                send = _with_headers(send, ((b"access-control-allow-origin", origin), (b"vary", b"Origin")))
                if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                    await _answer(send, 204, b"", _PREFLIGHT)
                    return
            elif scope["method"] not in ("GET", "HEAD") and not self._is_own(origin, headers.get(b"host", b"")):
                await _refuse_site(send)
                return
        found = await self.gate.check(scope)
        if isinstance(found, Denied):
            await _answer(send, found.status, found.body, found.headers)
            return
        scope["principal"] = found
        await self._app(scope, receive, _protected(send, scope["path"]) if scope["method"] == "GET" else send)

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        """Whether a page of this service sends, not one of another site in the browser of somebody who may."""
        return origin.decode("latin-1") == self._own or origin.partition(b"://")[2] == host


async def _refuse_site(send: Send) -> None:
    body = msgspec.json.encode({"detail": "pages of this site may not send; access.cors_origins lists those that may"})
    headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    await _answer(send, 403, body, headers)


async def _answer(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send, more: tuple[tuple[bytes, bytes], ...]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


def _protected(send: Send, path: str) -> Send:
    """Pages get headers that keep foreign scripts out. Their beginning waits for the body, whose scripts it names."""
    held: list[Message] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            held.append(message)
            return
        if held:
            start = held.pop()
            policy = (b"content-security-policy", _policy(path, message.get("body", b"")))
            await send({**start, "headers": [*start["headers"], *_PAGE, policy]})
        await send(message)

    return sending


def _is_page(start: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"])


def _policy(path: str, body: bytes) -> bytes:
    """No script within a page, but those of the interface's description, which holds nothing from outside."""
    scripts = _INLINE_SCRIPT.findall(body) if path.startswith("/docs") else []
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    return _POLICY.format("".join(f" 'sha256-{digest}'" for digest in hashes)).encode()
