"""Request bodies: read within bounds, unpacked within bounds."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

#: gzip members in one body: to find the end of each costs a copy of all that follows
MEMBERS = 100
#: bodies up to this are decoded on the event loop: sooner done than handed over
INLINE_BYTES = 512 * 1024
#: packed bodies up to this are unpacked on the event loop; they may hold a thousand times as much
INLINE_PACKED_BYTES = 4 * 1024
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Result = TypeVar("Result")


class Refusal(Exception):
    """A body that is not taken: an HTTP status, the reason, and after how many seconds to come again if that helps."""

    def __init__(self, status: int, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after


class Gone(Exception):
    """The sender went away in the middle of the body."""


class Room:
    """The bytes of all bodies in hand: what many connections send at once is bounded too. Used on the event loop."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    def share(self) -> "Share":
        """What one request takes of it, given back at the end of a `with`."""
        return Share(self)


class Share:
    """The bytes of one request's body, packed and unpacked."""

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, 0

    def take(self, size: int) -> None:
        """Take so many bytes more. Raises Refusal where there is no room for them."""
        room = self._room
        if room.used + size > room.limit:
            raise Refusal(429, "too many bodies at once; nothing was taken", 1)
        room.used += size
        self._held += size

    def __enter__(self) -> "Share":
        return self

    def __exit__(self, *reason: object) -> None:
        self._room.used -= self._held


#: threads for what takes long; two, because each may need many times the bytes of its body
_heavy = ThreadPoolExecutor(2, "heavy")


async def heavily(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do what would keep the event loop waiting in a thread, two of such at a time."""
    return await asyncio.get_running_loop().run_in_executor(_heavy, partial(work, *arguments))


def is_light(body: bytes) -> bool:
    """Whether the event loop may decode a body itself: neither large nor with pictures in it."""
    return len(body) <= INLINE_BYTES and b"_base64" not in body


async def read(scope: MutableMapping[str, Any], receive: Receive, limit: int, share: Share) -> bytes:
    """The whole body, unpacked; at most `limit` bytes packed and as many unpacked. Raises Refusal and Gone.

    share: where the bytes are counted for as long as they are held.
    """
    encoding = b""
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            encoding = value.strip().lower()
        elif name == b"content-length" and int(value) > limit:
            raise _too_large(limit)  # before it comes
    message = await receive()
    if message["type"] == "http.disconnect" or message.get("more_body"):
        body = await _gather(message, receive, limit, share)
    else:
        body = message.get("body", b"")
        share.take(len(body))
    if len(body) > limit:
        raise _too_large(limit)
    if not encoding and body[:2] != b"\x1f\x8b":
        return body
    inline = len(body) <= INLINE_PACKED_BYTES
    unpacked = unpack(body, encoding, limit) if inline else await heavily(unpack, body, encoding, limit)
    share.take(len(unpacked))
    return unpacked


async def _gather(message: Message, receive: Receive, limit: int, share: Share) -> bytes:
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        share.take(len(parts[-1]))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def unpack(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body behind a content encoding: gzip (also where the header is missing), deflate or none."""
    if body[:2] == b"\x1f\x8b":
        return _inflate(body, 31, limit)
    if encoding == b"deflate":
        return _inflate(body, 15, limit)
    if encoding in (b"gzip", b"x-gzip"):
        raise Refusal(400, "the body is not gzip, as its content-encoding says")
    if encoding not in (b"", b"identity"):
        raise Refusal(415, "content-encoding: expected gzip, deflate or identity")
    return body


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    unpacked = b""
    for _ in range(MEMBERS):
        stream = zlib.decompressobj(window)
        try:
            unpacked += stream.decompress(body, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise Refusal(400, f"the packed body is broken: {error}") from None
        if len(unpacked) > limit:
            raise _too_large(limit)
        if not stream.eof:
            raise Refusal(400, "the packed body is cut off")
        body = stream.unused_data
        if not body:
            return unpacked
    raise Refusal(400, f"the packed body has more than {MEMBERS} members")


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"the body is larger than the {limit} bytes allowed")
