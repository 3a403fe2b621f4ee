"""Users with passwords."""

import asyncio
from collections.abc import Mapping
from typing import Any

import bcrypt
import pytest

from exporter.access import basic
from exporter.access.basic import BasicUsers


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


ALICE = {"alice": hashed("right")}


def check(users: BasicUsers, user: str, password: str) -> bool:
    return asyncio.run(users.check(user, password))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that were computed, in order."""
    seen = []
    compute = bcrypt.checkpw

    def counted(password: bytes, stored: bytes) -> bool:
        seen.append(stored)
        return compute(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return seen


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        ("alice", "right", True),
        ("alice", "wrong", False),
        ("alice", "", False),
        ("alice", "right\0", False),
        ("alice", "right" + "x" * 100, False),
        ("Alice", "right", False),
        ("bob", "right", False),
        ("", "", False),
        ("\udcff", "\udcff", False),
    ],
)
def test_only_a_user_with_the_right_password_gets_in(user: str, password: str, expected: bool) -> None:
    assert check(BasicUsers(lambda: ALICE), user, password) is expected


@pytest.mark.parametrize("kind", ["2a", "2b", "2y"])
def test_hashes_of_every_tool_are_understood(kind: str) -> None:
    hashes = {"alice": hashed("right").replace("$2b$", f"${kind}$")}
    assert check(BasicUsers(lambda: hashes), "alice", "right")


def test_a_long_password_counts_by_its_first_72_bytes_as_bcrypt_has_it() -> None:
    hashes = {"alice": hashed("ä" * 36)}
    assert check(BasicUsers(lambda: hashes), "alice", "ä" * 36 + "more")
    assert not check(BasicUsers(lambda: hashes), "alice", "ä" * 35)


def test_where_there_are_no_users_nobody_gets_in() -> None:
    assert not check(BasicUsers(dict), "alice", "right")


def test_an_unknown_user_costs_the_check_of_the_slowest_known_one(checks: list[bytes]) -> None:
    users = BasicUsers(lambda: {"alice": ALICE["alice"], "bob": ALICE["alice"].replace("$04$", "$06$")})
    assert not check(users, "nobody", "right")
    assert [stored[:7] for stored in checks] == [b"$2b$06$"]


def test_the_hash_of_the_unknown_user_has_no_password() -> None:
    users = BasicUsers(lambda: ALICE)
    for password in ("", ".", "." * 31, "\0" * 31):
        assert not check(users, "nobody", password)


def test_what_was_right_is_computed_once(checks: list[bytes]) -> None:
    users = BasicUsers(lambda: ALICE)
    assert [check(users, "alice", "right") for _ in range(3)] == [True] * 3
    assert len(checks) == 1


def test_what_was_wrong_is_computed_each_time(checks: list[bytes]) -> None:
    users = BasicUsers(lambda: ALICE)
    assert [check(users, "alice", "wrong") for _ in range(3)] == [False] * 3
    assert len(checks) == 3


def test_many_who_ask_the_same_at_once_wait_for_one_answer(checks: list[bytes]) -> None:
    users = BasicUsers(lambda: ALICE)

    async def ask() -> list[bool]:
        return await asyncio.gather(*(users.check("alice", "right") for _ in range(50)))

    assert asyncio.run(ask()) == [True] * 50
    assert len(checks) <= basic.MAX_CHECKS


def test_no_more_than_two_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    compute = asyncio.to_thread

    async def watched(*arguments: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await compute(*arguments)
        finally:
            running -= 1

    monkeypatch.setattr(asyncio, "to_thread", watched)
    users = BasicUsers(lambda: ALICE)

    async def ask() -> None:
        await asyncio.gather(*(users.check("alice", str(number)) for number in range(10)))

    asyncio.run(ask())
    assert most == 2


def test_a_change_of_the_users_forgets_what_was_right() -> None:
    hashes: list[Mapping[str, str]] = [ALICE]
    users = BasicUsers(lambda: hashes[0])
    assert check(users, "alice", "right")
    hashes[0] = {"alice": hashed("new")}
    assert not check(users, "alice", "right")
    assert check(users, "alice", "new")
    hashes[0] = {}
    assert not check(users, "alice", "new")


def test_no_more_is_remembered_than_the_bound(checks: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic, "MAX_REMEMBERED", 2)
    hashes = {name: hashed(name) for name in ("a", "b", "c")}
    users = BasicUsers(lambda: hashes)
    for name in ("a", "b", "c", "c", "b"):
        assert check(users, name, name)
    assert len(checks) == 3
    assert check(users, "a", "a")  # the oldest was forgotten
    assert len(checks) == 4
