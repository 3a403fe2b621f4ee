"""HTTP connections within bounds: how many, how large their headers are, and how long each part may take.

uvicorn bounds none of these, so that whoever opens connections and sends slowly would keep everybody else out.
"""

import asyncio
from collections import Counter
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from exporter.access.scopes import HEALTH
from exporter.config import Limits
from exporter.sources.reply import to_json

#: why connections are closed that would have gone on; answer_not_read: the client takes nothing of what it is sent
CLOSE_REASONS = ("header_timeout", "body_timeout", "too_many", "headers_too_large", "malformed", "answer_not_read")
#: request line and headers of one request, in bytes
HEADER_BYTES = 64 * 1024

#: connections beyond the limit that may ask for health and metrics: who fills the others must not blind the watchers
RESERVED = 16

#: where a request stands on its way in; "waiting": for the first byte of the next one
Phase = Literal["waiting", "headers", "body"]


class Connections:
    """The open connections of a service, and how many were closed for which reason. Used on the event loop."""

    def __init__(self, limits: Limits, telemetry_path: str = "/metrics") -> None:
        self.limits = limits
        self._for_watchers = {path.encode() for path in (*HEALTH, telemetry_path)}
        #: the oldest first
        self.open: dict[BoundedProtocol, None] = {}
        self.closed: Counter[str] = Counter(dict.fromkeys(CLOSE_REASONS, 0))
        self._sweep: asyncio.TimerHandle | None = None

    def add(self, connection: "BoundedProtocol") -> bool:
        """Look after a connection from now on. False when there is no room for it, not even to ask for health."""
        if len(self.open) >= self.limits.connections + RESERVED and not self._make_room():
            return False
        connection.is_reserved = len(self.open) >= self.limits.connections
        self.open[connection] = None
        if self._sweep is None:
            self._look_again_soon(connection.loop)
        return True

    def _make_room(self) -> bool:
        """Close the oldest one beyond the limit that waits for no answer: to be silent must not blind the watchers."""
        silent = (old for old in self.open if old.is_reserved and not old.is_answering())
        found = next(silent, None)
        if found is None:
            return False
        found.give_way()
        self.open.pop(found, None)
        return True

    def has_room(self, connection: "BoundedProtocol", path: bytes) -> bool:
        """Whether a connection may send a request of this path. One beyond the limit is as the others once they fit."""
        connection.is_reserved = connection.is_reserved and len(self.open) > self.limits.connections
        return not connection.is_reserved or path.partition(b"?")[0] in self._for_watchers

    def _look_again_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        # one timer for all connections: one for each request would cost more than many requests do
        limits = self.limits
        interval = min(1.0, limits.header_timeout / 2, limits.body_timeout / 2, limits.idle_timeout / 2)
        self._sweep = loop.call_later(interval, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweep = None
        if self.open:
            self._look_again_soon(loop)
        now = loop.time()
        for connection in list(self.open):
            connection.look(now)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A subclass names the `connections` that it belongs to."""

    bounds: Connections

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._phase: Phase = "headers"
        #: seconds on the clock of the loop; None in a phase that has begun since the last look
        self._deadline: float | None = None
        self._header_bytes = 0
        self._unsent = 0
        #: whether it is one beyond the limit
        self.is_reserved = False

    # -- what the transport calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        if not self.bounds.add(self):
            self._refuse(503, "too many connections", "too_many")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.bounds.open.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request, or of several."""
        if self._phase != "body":
            self._header_bytes += len(data)
        self._feed(data)
        if self._phase == "headers" and self._header_bytes > HEADER_BYTES and not self.transport.is_closing():
            self._refuse_headers()

    def _feed(self, data: bytes | memoryview) -> None:
        """Parse. A request that would rather go on in another protocol is taken as if it had not said so."""
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    data = memoryview(data)[upgrade.args[0] :]
                    head = self._head_without_upgrade()
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.feed_data(head)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _head_without_upgrade(self) -> bytes:
        """The head of the request in hand; one that no parser takes for CONNECT, which is for proxies."""
        method = self.parser.get_method()
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join((*lines, b"", b"")) if method != b"CONNECT" else b"CONNECT is not for us"

    def resume_writing(self) -> None:
        """The client takes what it is sent."""
        self._unsent = 0
        super().resume_writing()

    # -- what the parser calls

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._phase, self._deadline = "headers", None
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are there, the body is to come."""
        if self.parser.should_upgrade():  # the parser stops here, and begins anew without that
            return
        self._await_body()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        if self.parser.should_upgrade():
            return
        self._await_request()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless it was answered already."""
        if not self.transport.is_closing():
            self.bounds.closed["malformed"] += 1
            self._say(400, "no HTTP request")  # a request that came whole before it is still taken
            self.transport.close()

    # -- the end of an answer

    def on_response_complete(self) -> None:
        """The answer is on its way."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:  # idle connections are seen to with the others
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if self._phase == "waiting":
            self._deadline = None

    # -- bounds

    def look(self, now: float) -> None:
        """Close where the client is late. now: seconds on the clock of the loop."""
        limits = self.bounds.limits
        if self._deadline is None:
            seconds = {"headers": limits.header_timeout, "body": limits.body_timeout, "waiting": limits.idle_timeout}
            self._deadline = now + seconds[self._phase]
        elif now >= self._deadline:
            self._deadline = now + limits.idle_timeout
            self._expire()

    def give_way(self) -> None:
        """Close for somebody else; who has asked for nothing yet is told so."""
        if self._phase == "headers":
            self._refuse(503, "too many connections", "too_many")
        else:
            self.bounds.closed["too_many"] += 1
            self.transport.close()
        if self.transport.get_write_buffer_size():  # who reads nothing is not waited for
            self.transport.abort()

    def is_answering(self) -> bool:
        """Whether an answer is still to be given."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _expire(self) -> None:
        """The deadline has passed: close, unless it is not the client that we wait for."""
        unsent, before = self.transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        if unsent and unsent == before:
            self.bounds.closed["answer_not_read"] += 1
            self.transport.abort()
        elif unsent or self._is_answering() or self.flow.read_paused or self.transport.is_closing():
            return
        elif self._phase == "waiting":
            self.transport.close()
        elif self._phase == "headers":
            self._refuse(408, "the headers took too long", "header_timeout")
        else:
            self._refuse(408, "the body took too long", "body_timeout")

    def _await_body(self) -> None:
        """Raises ValueError, which ends the parsing, when the headers are too large or there is no room."""
        if self._header_bytes > HEADER_BYTES and self._size_of_headers() > HEADER_BYTES:
            self._refuse_headers()
            raise ValueError("headers too large")
        if self.is_reserved and not self.bounds.has_room(self, self.url):
            self._refuse(503, "too many connections", "too_many")
            raise ValueError("no room")
        self._phase, self._deadline = "body", None

    def _await_request(self) -> None:
        self._header_bytes = 0
        self._phase, self._deadline = "waiting", None

    def _is_answering(self) -> bool:
        """Whether a request that came whole waits for its answer."""
        pending = self.cycle is not None and not self.cycle.response_complete
        return bool(self.pipeline) or (pending and self._phase != "body")

    def _size_of_headers(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_headers(self) -> None:
        self._refuse(431, f"the headers are larger than the {HEADER_BYTES} bytes allowed", "headers_too_large")

    def _refuse(self, status: int, detail: str, reason: str) -> None:
        """Say why, unless an answer has begun, and close."""
        self.bounds.closed[reason] += 1
        pending = self.cycle is not None and not self.cycle.response_complete
        if not (self._phase == "body" and (not pending or self.cycle.response_started)):
            self._say(status, detail)
        if pending:
            self.cycle.disconnected = True  # what the application still says goes nowhere
        self.transport.close()

    def _say(self, status: int, detail: str) -> None:
        """The last answer of a connection."""
        body = to_json({"detail": detail})
        lines = [name + b": " + value for name, value in self.server_state.default_headers]
        lines += [b"content-type: application/json", b"content-length: %d" % len(body), b"connection: close"]
        self.transport.write(STATUS_LINE[status] + b"\r\n".join(lines) + b"\r\n\r\n" + body)
