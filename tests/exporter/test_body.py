"""Request bodies: read and unpacked within bounds."""

import asyncio
import gzip
import threading
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import body

PACKED = {b"gzip": gzip.compress, b"x-gzip": gzip.compress, b"deflate": zlib.compress, b"identity": bytes}


def read(*parts: bytes | None, limit: int = 1000, room: body.Room | None = None, **headers: str) -> bytes:
    """What comes of a body that arrives in these parts; None is a sender that goes away."""
    room = room or body.Room(1 << 30)
    messages = [
        {"type": "http.disconnect"}
        if part is None
        else {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
        for place, part in enumerate(parts)
    ]
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> Any:
        return messages.pop(0)

    with room.share() as share:
        return asyncio.run(body.read({"headers": named}, receive, limit, share))


def refused(*parts: bytes, limit: int = 1000, **headers: str) -> tuple[int, str]:
    with pytest.raises(body.Refusal) as refusal:
        read(*parts, limit=limit, **headers)
    return refusal.value.status, refusal.value.detail


def test_a_body_in_one_part_and_in_many_is_the_same() -> None:
    assert read(b"hello") == read(b"he", b"", b"llo") == b"hello"


def test_an_empty_body_is_empty() -> None:
    assert read(b"") == b""


def test_a_sender_that_goes_away_is_gone_at_any_point() -> None:
    for parts in ((None,), (b"he", None), (b"he", b"ll", None)):
        with pytest.raises(body.Gone):
            read(*parts)


def test_a_body_may_be_as_large_as_allowed_and_not_one_byte_larger() -> None:
    assert read(b"12345", limit=5) == read(b"123", b"45", limit=5) == b"12345"
    for parts in ((b"123456",), (b"123", b"456")):
        assert refused(*parts, limit=5) == (413, "the body is larger than the 5 bytes allowed")


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    assert refused(limit=5, content_length="6")[0] == 413


def test_the_parts_beyond_the_limit_are_not_waited_for() -> None:
    assert refused(b"1234", b"56", b"789", limit=5)[0] == 413


@pytest.mark.parametrize("encoding", PACKED)
def test_what_is_packed_is_unpacked(encoding: bytes) -> None:
    assert read(PACKED[encoding](b"hello"), content_encoding=encoding.decode().upper()) == b"hello"


def test_gzip_is_seen_without_its_header_and_behind_identity() -> None:
    assert read(gzip.compress(b"hello")) == b"hello"
    assert read(gzip.compress(b"hello"), content_encoding="identity") == b"hello"


def test_a_gzip_body_may_have_several_members() -> None:
    assert read(gzip.compress(b"he") + gzip.compress(b"") + gzip.compress(b"llo")) == b"hello"


def test_members_without_end_are_refused_before_they_cost_more_than_they_weigh() -> None:
    assert read(gzip.compress(b"") * (body.MEMBERS - 1) + gzip.compress(b"hello"), limit=10_000) == b"hello"
    said = refused(gzip.compress(b"") * 400_000, limit=8 << 20)
    assert said == (400, f"the packed body has more than {body.MEMBERS} members")


@pytest.mark.parametrize(("size", "elsewhere"), [(100, False), (100_000, True)])
def test_what_takes_long_to_unpack_does_not_hold_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, size: int, elsewhere: bool
) -> None:
    threads = []

    def unpack(*arguments: Any) -> bytes:
        threads.append(threading.current_thread())
        return b""

    monkeypatch.setattr(body, "unpack", unpack)
    read(b"\x1f\x8b" + bytes(size), limit=1 << 20)
    assert [thread is not threading.main_thread() for thread in threads] == [elsewhere]


def test_pictures_and_large_bodies_are_not_for_the_event_loop() -> None:
    assert body.is_light(b'{"input":"a"}')
    assert not body.is_light(b'{"input":{"image_base64":""}}')
    assert not body.is_light(bytes(body.INLINE_BYTES + 1))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, deflate", "nonsense"])
def test_an_unknown_encoding_is_415_and_the_known_ones_are_named(encoding: str) -> None:
    assert refused(b"hello", content_encoding=encoding) == (
        415,
        "content-encoding: expected gzip, deflate or identity",
    )


@pytest.mark.parametrize(
    ("packed", "encoding", "detail"),
    [
        (b"hello", "gzip", "the body is not gzip, as its content-encoding says"),
        (b"", "gzip", "the body is not gzip, as its content-encoding says"),
        (b"hello", "deflate", "the packed body is broken: "),
        (gzip.compress(b"hello")[:-1], "gzip", "the packed body is cut off"),
        (gzip.compress(b"hello")[:12], "gzip", "the packed body is cut off"),
        (zlib.compress(b"hello")[:-1], "deflate", "the packed body is cut off"),
        (gzip.compress(b"hello") + b"rest", "gzip", "the packed body is broken: "),
        (gzip.compress(b"hello")[:-8] + b"\0" * 8, "gzip", "the packed body is broken: "),
    ],
)
def test_a_packed_body_that_is_broken_is_400(packed: bytes, encoding: str, detail: str) -> None:
    status, said = refused(packed, content_encoding=encoding)
    assert status == 400
    assert said.startswith(detail)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_what_unpacks_beyond_the_limit_is_413_and_at_the_limit_it_is_taken(pack: Any) -> None:
    assert read(pack(bytes(1000)), content_encoding="deflate") == bytes(1000)
    assert refused(pack(bytes(1001)), content_encoding="deflate")[0] == 413
    assert refused(gzip.compress(bytes(600)) + gzip.compress(bytes(401)))[0] == 413


@given(st.binary(max_size=60), st.sampled_from([b"", b"gzip", b"deflate", b"identity", b"br"]))
@settings(deadline=None, max_examples=200)
def test_garbage_is_unpacked_or_refused(data: bytes, encoding: bytes) -> None:
    for sent in (data, b"\x1f\x8b" + data, gzip.compress(data)[:-3] + data):
        try:
            status, size = 200, len(body.unpack(sent, encoding, 100))
        except body.Refusal as refusal:
            status, size = refusal.status, 0
        assert status in (200, 400, 413, 415)
        assert size <= 100


# -- the room for all bodies together


def test_bodies_beyond_the_room_for_all_of_them_are_told_to_come_again() -> None:
    room = body.Room(10)
    with room.share() as other:
        other.take(6)
        for parts in ((b"12345",), (b"123", b"45")):
            with pytest.raises(body.Refusal) as refusal:
                read(*parts, room=room)
            assert (refusal.value.status, refusal.value.retry_after) == (429, 1)
            assert room.used == 6
        assert read(b"1234", room=room) == b"1234"
    assert read(b"12345", b"67890", room=room) == b"1234567890"
    assert room.used == 0


def test_what_a_body_unpacks_to_takes_room_too() -> None:
    packed = gzip.compress(b" " * 500)
    assert read(packed, room=body.Room(500 + len(packed))) == b" " * 500
    with pytest.raises(body.Refusal, match="too many bodies at once"):
        read(packed, room=body.Room(500))


def test_room_is_given_back_when_a_sender_goes_away() -> None:
    room = body.Room(10)
    with pytest.raises(body.Gone):
        read(b"123", None, room=room)
    assert room.used == 0


def test_two_heavy_things_are_done_at_a_time() -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        both.wait(10)
        with lock:
            at_once -= 1

    async def many() -> None:
        await asyncio.gather(*(body.heavily(work) for _ in range(8)))

    asyncio.run(many())
    assert most == 2
