"""The key file."""

import contextlib
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.access import AccessError, keys
from tests.exporter.conftest import Clock

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def make(path: Path, scope: Any = "push", **other: Any) -> tuple[keys.Key, str]:
    settings: dict[str, Any] = {"models": None, "seconds": None, "name": "", "now": NOW} | other
    return keys.create(str(path), scope, **settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys.json"


def test_a_key_has_256_bits_and_only_its_hash_is_kept(path: Path) -> None:
    entry, secret = make(path, models=["a"], seconds=60, name="gateway")
    assert len(secret.removeprefix(keys.PREFIX)) == 43
    assert secret not in path.read_text()
    assert secret not in repr(entry)
    [kept] = keys.load(str(path))
    assert kept == entry
    assert kept.hash == hashlib.sha256(secret.encode()).hexdigest()
    assert (kept.models, kept.name, kept.expires) == (["a"], "gateway", NOW + timedelta(seconds=60))


def test_the_file_is_for_its_owner_only_and_nothing_else_is_left_behind(path: Path) -> None:
    make(path)
    make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {file.name for file in path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_owner_of_the_folder(path: Path) -> None:
    path.parent.mkdir()
    os.chown(path.parent, 12345, 12346)
    make(path)
    assert {(file.stat().st_uid, file.stat().st_gid) for file in path.parent.iterdir()} == {(12345, 12346)}


@given(st.binary(max_size=60) | st.just(b"[" * 100_000) | st.data())
@settings(deadline=None)
def test_a_file_of_garbage_gives_keys_or_the_typed_error(
    tmp_path_factory: pytest.TempPathFactory, garbage: Any
) -> None:
    path = tmp_path_factory.mktemp("state") / "keys.json"
    if not isinstance(garbage, bytes):
        make(path, models=["a"], seconds=60)
        content = bytearray(path.read_bytes())
        for _ in range(garbage.draw(st.integers(1, 3))):
            content[garbage.draw(st.integers(0, len(content) - 1))] = garbage.draw(st.integers(0, 255))
        garbage = bytes(content)
    path.write_bytes(garbage)
    path.chmod(0o600)
    with contextlib.suppress(AccessError):
        keys.KeyFile(str(path)).find("vedette_x")


def test_keys_made_at_the_same_time_are_all_kept(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make(path)[0].id, range(16)))
    assert sorted(key.id for key in keys.load(str(path))) == sorted(made)


def test_a_revoked_key_stays_in_the_file_with_its_time(path: Path) -> None:
    entry, _ = make(path)
    other, _ = make(path)
    keys.revoke(str(path), entry.id, NOW)
    assert keys.revoke(str(path), entry.id, NOW + timedelta(days=1)).revoked == NOW
    assert [key.state(NOW) for key in keys.load(str(path))] == ["revoked", "valid"]
    assert other.revoked is None


def test_a_key_that_is_not_there_cannot_be_revoked(path: Path) -> None:
    make(path)
    with pytest.raises(AccessError, match="holds no key 'nobody'"):
        keys.revoke(str(path), "nobody", NOW)


def test_a_key_expires_at_its_time(path: Path) -> None:
    entry, _ = make(path, seconds=60)
    assert entry.state(NOW + timedelta(seconds=59)) == "valid"
    assert entry.state(NOW + timedelta(seconds=60)) == "expired"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("nonsense", "holds no list of keys"),
        ("{}", "holds no list of keys"),
        ('[{"id": "a"}]', "missing required field `hash`"),
        (
            '[{"id":"a","hash":"00","scope":"push","created":"2026-01-31T00:00:00Z"}]',
            "entry .0.: hash: expected 64 hexadecimal digits",
        ),
        ('[{"id":"a","hash":"00","scope":"all","created":"2026-01-31T00:00:00Z"}]', "Invalid enum value 'all'"),
        (
            f'[{{"id":"a","hash":"{"0" * 64}","scope":"push","created":"2026-01-31T00:00:00"}}]',
            "expected times with their zone",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(AccessError, match=problem) as error:
        keys.load(str(path))
    assert str(path) in str(error.value)


def test_a_file_that_others_may_write_is_refused(path: Path) -> None:
    make(path)
    path.chmod(0o620)
    with pytest.raises(AccessError, match="can be written by others; expected mode 0600"):
        keys.load(str(path))


def test_a_new_key_and_a_revoked_one_hold_within_a_second_of_looking(path: Path, clock: Clock) -> None:
    file = keys.KeyFile(str(path), tick=clock)
    assert not file.is_in_use
    entry, secret = make(path, "read", models=["m"])
    file.refresh()
    assert file.find(secret) is None
    clock.now += 1
    file.refresh()
    known = file.find(secret)
    assert known is not None
    assert file.is_in_use
    assert (known.principal.id, known.principal.scopes, known.principal.models) == (entry.id, {"read"}, {"m"})
    keys.revoke(str(path), entry.id, NOW)
    clock.now += 1
    file.refresh()
    revoked = file.find(secret)
    assert revoked is not None
    assert revoked.is_revoked


def test_a_file_that_turns_wrong_changes_nothing_and_is_in_the_log(
    path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    _, secret = make(path)
    file = keys.KeyFile(str(path), tick=clock)
    path.write_text("[")
    clock.now += 1
    file.refresh()
    assert file.find(secret) is not None
    assert "the keys were not read again" in caplog.text


def test_a_file_that_goes_away_takes_its_keys_along_and_opens_nothing(path: Path, clock: Clock) -> None:
    _, secret = make(path)
    file = keys.KeyFile(str(path), tick=clock)
    path.unlink()
    clock.now += 1
    file.refresh()
    assert file.is_in_use
    assert file.find(secret) is None


def test_a_named_file_closes_even_before_it_is_there(path: Path) -> None:
    assert keys.KeyFile(str(path), must_exist=True).is_in_use
    assert not keys.KeyFile(str(path)).is_in_use
