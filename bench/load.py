"""Load on a loopback server: requests over keep-alive connections, each sent when the last was answered."""

import asyncio
from typing import Any


def request(path: str, body: bytes) -> bytes:
    """One POST as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, requests: list[bytes], statuses: dict[bytes, int], done: asyncio.Event) -> None:
        self._requests, self._statuses, self._done = requests, statuses, done
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._requests:
            self._transport.write(self._requests.pop())
        else:
            self._transport.close()
            self._done.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(rest) >= length:
            status = head[9:12]
            self._statuses[status] = self._statuses.get(status, 0) + 1
            self._buffer = rest[length:]
            self._next()


async def _send(port: int, requests: list[bytes], connections: int) -> dict[bytes, int]:
    statuses: dict[bytes, int] = {}
    ends = []
    for _ in range(connections):
        end = asyncio.Event()
        ends.append(end)
        await asyncio.get_running_loop().create_connection(
            lambda end=end: _Connection(requests, statuses, end), "127.0.0.1", port
        )
    await asyncio.gather(*(end.wait() for end in ends))
    return statuses


def send(port: int, requests: list[bytes], connections: int) -> dict[bytes, int]:
    """Send all requests; how many answers had which status."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send(port, list(requests), connections))
