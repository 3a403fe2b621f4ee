"""Files that may change while the service runs."""

from pathlib import Path

import pytest

from exporter.access import AccessError, files
from tests.exporter.conftest import Clock


def test_a_change_is_seen_once_and_only_when_a_second_is_over(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    watched = files.WatchedFile(str(path), clock)
    path.write_text("other")
    assert not watched.has_changed()
    clock.now += 1
    assert watched.has_changed()
    clock.now += 1
    assert not watched.has_changed()


def test_a_file_that_comes_goes_or_is_replaced_has_changed(tmp_path: Path, clock: Clock) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    watched = files.WatchedFile(str(path), clock)

    def seen() -> bool:
        clock.now += 1
        return watched.has_changed()

    path.write_text("a")
    assert seen()
    other.write_text("b")
    other.rename(path)
    assert seen()
    path.unlink()
    assert seen()
    assert not seen()


def test_what_cannot_be_read_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="gone cannot be read: No such file"):
        files.read(str(tmp_path / "gone"))
    with pytest.raises(AccessError, match="cannot be read: Is a directory"):
        files.read(str(tmp_path))


def test_a_file_without_an_end_does_not_fill_the_memory() -> None:
    with pytest.raises(AccessError, match=f"/dev/zero is larger than {files.MAX_BYTES} bytes"):
        files.read("/dev/zero")


def test_a_file_is_looked_at_again_a_second_after_the_last_look_and_not_before(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "file"
    watched = files.WatchedFile(str(path), clock)
    clock.now += 5
    assert not watched.has_changed()
    path.write_text("a")
    clock.now += files.LOOK_SECONDS / 2
    assert not watched.has_changed()
    clock.now += files.LOOK_SECONDS / 2
    assert watched.has_changed()


def test_the_largest_file_is_read_and_one_byte_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert files.read(str(path)) == b"x" * 10
    path.write_bytes(b"x" * 11)
    with pytest.raises(AccessError, match="is larger than 10 bytes"):
        files.read(str(path))


def test_a_secret_is_what_is_between_the_white_space_and_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("\n" + "s" * files.MIN_SECRET_BYTES + " \n")
    assert files.read_secret(str(path)) == b"s" * files.MIN_SECRET_BYTES
    path.write_text("s" * (files.MIN_SECRET_BYTES - 1) + "\n\n")
    with pytest.raises(AccessError, match="holds 31 bytes; expected a secret of at least 32"):
        files.read_secret(str(path))
