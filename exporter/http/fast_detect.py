"""`POST /detect` and single samples without ASGI: from the parser to the intake, and the answer in one write.

The scope, the task and the messages of ASGI cost more than the judging. What is not plain goes the ordinary way
through the application, which answers the same: other methods and paths, packed, large and chunked bodies, what
follows a request that is not answered yet, clients that do not read.
"""

from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from exporter.body import is_light
from exporter.http.protocol import BoundedProtocol, Connections
from exporter.sources.detect import DetectIntake, Tell
from exporter.sources.reply import Reply

#: what takes a light body and tells its answer
Take = Callable[[bytes, Tell], None]
#: larger bodies go the ordinary way
PLAIN_BYTES = 64 * 1024
#: headers of requests that go the ordinary way
UNUSUAL = frozenset((b"content-encoding", b"transfer-encoding", b"expect", b"upgrade", b"origin"))


class FastDetect:
    """Where plain requests go. allowed: asked at each; False while the application must see every request first.

    also: by path, what takes bodies besides `/detect`.
    """

    def __init__(
        self,
        detect: DetectIntake,
        is_ready: Callable[[], bool],
        allowed: Callable[[], bool] = lambda: True,
        also: Mapping[str, Take] | None = None,
    ) -> None:
        self.detect, self._is_ready, self.allowed = detect, is_ready, allowed
        self.ways: dict[bytes, Take] = {b"/detect": detect.detect_light}
        self.ways |= {path.encode(): take for path, take in (also or {}).items()}
        self._dated: list[tuple[bytes, bytes]] | None = None
        self._heads: dict[tuple[int, bytes], bytes] = {}

    def expects(self, length: int) -> bool:
        """Whether a body of so many bytes may be taken, as far as can be said before it comes."""
        return length <= PLAIN_BYTES and length <= self.detect.limits.body_bytes and self.allowed()

    def takes(self, body: bytes) -> bool:
        """Whether a body can be judged at once: it is neither packed nor slow to decode, and judging has begun."""
        return body[:2] != b"\x1f\x8b" and is_light(body) and self._is_ready()

    def write(self, reply: Reply, default_headers: list[tuple[bytes, bytes]], keep_alive: bool) -> bytes:
        """The whole response, its headers as the application gives them."""
        if default_headers is not self._dated:  # once a second
            self._dated, self._heads = default_headers, {}
        kind = (reply.status, reply.content_type)
        head = self._heads.get(kind)
        if head is None:
            lines = [name + b": " + value for name, value in (*default_headers, (b"content-type", reply.content_type))]
            head = self._heads[kind] = STATUS_LINE[reply.status] + b"\r\n".join(lines) + b"\r\ncontent-length: "
        more = b"" if reply.retry_after is None else b"retry-after: %d\r\n" % reply.retry_after
        if not keep_alive:
            more += b"connection: close\r\n"
        return b"%b%d\r\n%b\r\n%b" % (head, len(reply.body), more, reply.body)


class _Nobody:
    """Where uvicorn wakes an application; there is none."""

    def set(self) -> None:
        pass


class FastRequest:
    """A plain request on its way. To uvicorn it is the cycle in hand: pipelining and shutdown wait for it."""

    __slots__ = ("disconnected", "keep_alive", "parts", "protocol", "response_complete", "take")
    response_started = False
    message_event = _Nobody()

    def __init__(self, protocol: "FastProtocol", keep_alive: bool, take: Take) -> None:
        self.protocol, self.keep_alive, self.take = protocol, keep_alive, take
        self.parts: list[bytes] = []
        self.disconnected = self.response_complete = False

    def answer(self, reply: Reply) -> None:
        """Write the answer, unless the client has gone away."""
        if not self.disconnected:
            self.response_complete = True
            self.protocol.respond(reply, self.keep_alive)


class FastProtocol(BoundedProtocol):
    """One connection. A subclass names the `fast` way that plain requests go."""

    fast: FastDetect

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._incoming: FastRequest | None = None

    # -- what the parser calls

    def on_headers_complete(self) -> None:
        """The headers are there: they decide which way the request goes."""
        if not self._is_plain():
            super().on_headers_complete()
            return
        self._await_body()
        self._incoming = FastRequest(self, self.parser.should_keep_alive(), self.fast.ways[self.url])
        self.cycle = self._incoming  # type: ignore[assignment]  # as far as uvicorn looks at it

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._incoming is None:
            super().on_body(body)
        else:
            self._incoming.parts.append(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        request, self._incoming = self._incoming, None
        if request is None:
            super().on_message_complete()
            return
        body = request.parts[0] if len(request.parts) == 1 else b"".join(request.parts)
        if self.fast.takes(body):
            self._await_request()
            request.take(body, request.answer)
        else:
            self._send_the_ordinary_way(body)

    # -- the two ways

    def respond(self, reply: Reply, keep_alive: bool) -> None:
        """Write the answer to the request in hand, and go on to the next."""
        if self.transport.is_closing():
            return
        self.transport.write(self.fast.write(reply, self.server_state.default_headers, keep_alive))
        if not keep_alive:
            self.transport.close()
        if self.pipeline or not keep_alive:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        if self._phase == "waiting":
            self._deadline = None

    def _is_plain(self) -> bool:
        if (
            self.url not in self.fast.ways
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
        ):
            return False
        headers = dict(self.headers)
        if not UNUSUAL.isdisjoint(headers) or not self.fast.expects(int(headers.get(b"content-length", 0))):
            return False
        free = self.cycle is None or self.cycle.response_complete
        return free and not self.pipeline and not self.flow.write_paused

    def _send_the_ordinary_way(self, body: bytes) -> None:
        self.cycle = None  # type: ignore[assignment]
        HttpToolsProtocol.on_headers_complete(self)
        self.cycle.body += body
        super().on_message_complete()


def protocol(bounds: Connections, fast: FastDetect) -> type[FastProtocol]:
    """The protocol for uvicorn's `http` setting."""
    return type("Protocol", (FastProtocol,), {"bounds": bounds, "fast": fast})
