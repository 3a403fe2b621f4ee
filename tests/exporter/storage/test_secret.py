"""The secret of a state folder."""

import stat
from pathlib import Path

import pytest

from exporter.storage.secret import kept_secret


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    made = kept_secret(folder)
    assert kept_secret(folder) == made
    assert made.bit_length() > 128


def test_every_folder_has_its_own(tmp_path: Path) -> None:
    assert kept_secret(tmp_path / "a") != kept_secret(tmp_path / "b")


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    kept_secret(tmp_path)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_damaged_one_is_an_error_that_says_what_follows(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"secret: expected 32 bytes, got 5; without it the windows begin anew"):
        kept_secret(tmp_path)
