"""Client ids as others may see them."""

import hashlib
import hmac
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.access import AccessError
from exporter.app import ServeOptions, Service
from exporter.config import Access, Config, Storage
from exporter.pseudonyms import NAME, AsTheyAre, Hidden, pseudonyms, written_down

SECRET, OTHER = b"a secret of forty characters, all random", b"another secret of more than 32 bytes"


def test_without_a_secret_clients_are_shown_as_they_are(tmp_path: Path) -> None:
    names = pseudonyms(Config(storage=Storage(path=str(tmp_path))))
    assert isinstance(names, AsTheyAre)
    assert (names.shown("key-17"), names.original("key-17")) == ("key-17", "key-17")
    assert os.listdir(tmp_path) == []


def test_a_pseudonym_is_an_hmac_that_is_safe_in_labels(tmp_path: Path) -> None:
    names = Hidden(SECRET, tmp_path)
    shown = names.shown("alice@example.com")
    assert shown == "c-" + hmac.new(SECRET, b"alice@example.com", hashlib.sha256).hexdigest()[:24]
    assert re.fullmatch(r"[A-Za-z0-9._:/@-]{1,128}", shown)
    assert (names.original(shown), names.original("c-" + "0" * 24)) == ("alice@example.com", None)
    names.close()


@given(clients=st.lists(st.text(max_size=20), max_size=8))
@settings(deadline=None)
def test_the_way_back_is_there_after_a_restart(tmp_path_factory: pytest.TempPathFactory, clients: list[str]) -> None:
    folder = tmp_path_factory.mktemp("state")
    first = Hidden(SECRET, folder)
    shown = [first.shown(client) for client in clients]
    first.close()
    second = Hidden(SECRET, folder)
    assert [second.original(pseudonym) for pseudonym in shown] == clients
    assert [second.shown(client) for client in clients] == shown
    assert (folder / NAME).read_bytes().count(b"\n") == len(set(clients))
    second.close()


def test_another_secret_gives_other_pseudonyms_and_the_old_ones_are_still_known(tmp_path: Path) -> None:
    first = Hidden(SECRET, tmp_path)
    old = first.shown("alice")
    first.close()
    second = Hidden(OTHER, tmp_path)
    assert second.shown("alice") != old
    assert second.original(old) == second.original(second.shown("alice")) == "alice"
    second.close()


def test_the_way_back_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    (names := Hidden(SECRET, folder)).close()
    (folder / NAME).chmod(0o666)
    names = Hidden(SECRET, folder)
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names.close()


@pytest.mark.parametrize("torn", [b'["c-1","al', b'["c-1"', b"["])
def test_a_torn_end_is_cut_off_and_the_rest_holds(tmp_path: Path, torn: bytes) -> None:
    first = Hidden(SECRET, tmp_path)
    shown = first.shown("alice")
    first.close()
    with (tmp_path / NAME).open("ab") as file:
        file.write(torn)
    second = Hidden(SECRET, tmp_path)
    assert second.original(shown) == "alice"
    bob = second.shown("bob")
    second.close()
    assert Hidden(SECRET, tmp_path).original(bob) == "bob"


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_garbage_in_the_file_is_passed_over(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / NAME).write_bytes(garbage + b"\n")
    names = Hidden(SECRET, folder)
    assert names.original(names.shown("alice")) == "alice"
    names.close()


def test_of_very_many_those_shown_last_are_known_and_the_files_stay_small(tmp_path: Path) -> None:
    names = Hidden(SECRET, tmp_path, most=10)
    shown = [names.shown(f"client {number}") for number in range(35)]
    for known in (names, Hidden(SECRET, tmp_path, most=10)):
        assert [known.original(one) is not None for one in shown] == [False] * 20 + [True] * 15
    assert sum(len(file.read_bytes().splitlines()) for file in tmp_path.iterdir()) == 15
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert names.shown("client 21") == shown[21]  # as good as new
    for number in range(100, 109):
        names.shown(f"client {number}")
    assert names.original(shown[21]) == "client 21"
    names.close()


def test_a_full_disk_hides_no_less_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = Hidden(SECRET, tmp_path)

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        shown = [names.shown(client) for client in ("alice", "bob")]
    assert [names.original(one) for one in shown] == ["alice", "bob"]
    assert [record.message for record in caplog.records] == ["pseudonyms cannot be written down"]
    assert "alice" not in caplog.text
    names.close()


@pytest.mark.parametrize("fails", ["write", "open"])
def test_what_a_full_disk_did_not_take_is_written_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Who is shown once and never again must be found all the same. Half of a line is gone on with."""
    names, whole = Hidden(SECRET, tmp_path, most=3), os.write
    shown = [names.shown(f"client {number}") for number in range(3)]

    def half(file: int, content: bytes) -> int:
        if len(content) < 20:
            raise OSError(28, "No space left on device")
        return whole(file, content[: len(content) // 2])

    def refused(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, half if fails == "write" else refused)
        shown += [names.shown(f"client {number}") for number in (3, 4)]
    shown.append(names.shown("client 5"))
    names.close()
    assert [written_down(tmp_path).get(one) for one in shown] == [f"client {number}" for number in range(6)]


def test_threads_write_each_pseudonym_once(tmp_path: Path) -> None:
    names = Hidden(SECRET, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(names.shown, [f"client {number % 50}" for number in range(2000)]))
    names.close()
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 50


def test_the_service_has_them_as_configured(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    config = Config(storage=Storage(path=str(tmp_path / "state")), access=Access(pseudonym_secret_file=str(secret)))
    service = Service(config, lambda: config, ServeOptions())
    service._journal.start()
    service.pipeline.start()
    assert service.pseudonyms.shown("alice") == Hidden(SECRET, tmp_path).shown("alice")
    assert "secret of forty" not in repr(config)
    service._stop()
    secret.write_bytes(b"short")
    with pytest.raises(AccessError, match="expected a secret of at least 32"):
        pseudonyms(config)
