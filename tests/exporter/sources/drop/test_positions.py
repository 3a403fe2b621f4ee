import logging
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.drop.positions import Identity, Position, load, save

POSITIONS = [
    Position("a.csv", Identity(1, 2, 3, 4), offset=5, line=6, taken=7, refused=8),
    Position("b\n\\xff.csv", Identity(1, 9, 2**40, 4), ended=True, broken="unreadable"),
]


def test_positions_come_back_as_they_were_saved(tmp_path):
    save(tmp_path / "state" / "positions.json", POSITIONS)
    assert load(tmp_path / "state" / "positions.json") == POSITIONS
    assert os.listdir(tmp_path / "state") == ["positions.json"]


def test_without_a_file_there_are_none(tmp_path):
    assert load(tmp_path / "positions.json") == []


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"version": 1}', '{"version": 2, "files": []}', '{"version": 1, "files": [{}]}']
)
def test_a_file_of_no_use_is_set_aside_with_a_warning(tmp_path, caplog, text):
    path = tmp_path / "positions.json"
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert load(path) == []
    assert "unfinished files are read anew" in caplog.text
    assert (tmp_path / "positions.json.unreadable").read_text() == text
    assert not path.exists()


@given(st.binary(max_size=60) | st.binary(max_size=20).map(b'{"version": 1, "files": [{"name":'.__add__))
@settings(deadline=None)
def test_garbage_gives_positions_or_none(tmp_path_factory, garbage):
    path = tmp_path_factory.mktemp("state") / "positions.json"
    path.write_bytes(garbage)
    assert load(path) == []


def test_a_torn_write_leaves_the_old_positions(tmp_path, monkeypatch):
    path = tmp_path / "positions.json"
    save(path, POSITIONS)

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save(path, [])
    assert load(path) == POSITIONS


@pytest.mark.parametrize(
    ("position", "failure"),
    [
        (Position("", Identity(1, 1, 1, 1), taken=1, refused=5), None),
        (Position("", Identity(1, 1, 1, 1)), None),
        (Position("", Identity(1, 1, 1, 1), refused=1), "unreadable"),
        (Position("", Identity(1, 1, 1, 1), taken=1, broken="io"), "io"),
    ],
)
def test_a_file_failed_when_it_is_broken_or_nothing_of_it_was_taken(position, failure):
    assert position.failure == failure
