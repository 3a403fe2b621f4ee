"""Entries that are written down as they change."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.kept import Changed, RowReader
from exporter.clients import entries as module
from exporter.clients.entries import Collection, Entries


class Shelf:
    """A dict that notes what changes in it."""

    def __init__(self, most: int = 1000) -> None:
        self.held: dict[Any, Any] = {}
        self.changed = Changed(most)

    def put(self, key: Any, value: Any) -> None:
        self.held[key] = value
        self.changed.note(key)

    def drop(self, key: Any) -> None:
        self.held.pop(key, None)
        self.changed.note(key)

    def collection(self) -> Collection:
        return Collection(self.held.keys, self.held.get, self.changed)


class File:
    """What is appended to a file, space by space."""

    def __init__(self) -> None:
        self.spaces: dict[str, bytearray] = {}

    def catch_up(self, entries: Entries, most: int = 3) -> int:
        """Append what is new, as a snapshot does; how many bytes."""
        entries.tidy()
        written, more = 0, True
        while more:
            more = entries.write_down(most)
            [(space, rows)] = entries.row_spaces().items()
            data = self.spaces.setdefault(space, bytearray())
            if len(data) < rows.last:
                number, part = entries.rows_since(space, len(data), 1)
                assert number == len(data)
                data += part.tobytes()
                written += len(part)
                more |= not len(part)
        return written

    def reader(self) -> RowReader:
        def read(space: str, start: int, stop: int) -> np.ndarray:
            return np.frombuffer(self.spaces[space], dtype=np.uint8)[start:stop, None]

        return read


def read_back(entries: Entries, file: File) -> tuple[dict[str, Any], Entries]:
    """What a start finds, and the entries of that run."""
    again = Entries({name: Shelf().collection() for name in ("a", "b")})
    return again.load(entries.dump(), file.reader()), again


STEPS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(["put", "drop", "save", "restart", "lose", "anew"]), st.integers(0, 9)
    )
)


@given(STEPS)
def test_what_is_read_back_is_what_is_held(steps: list[tuple[str, str, int]]) -> None:
    shelves, file = {"a": Shelf(), "b": Shelf(most=3)}, File()
    entries = Entries({name: shelf.collection() for name, shelf in shelves.items()})
    for place, (name, step, key) in enumerate(steps):
        if step == "put":
            shelves[name].put((key, "x") if key % 2 else key, [place])
        elif step == "drop":
            shelves[name].drop((key, "x") if key % 2 else key)
        elif step == "lose":  # a sync that failed: the file is shorter than it was
            for data in file.spaces.values():
                del data[len(data) // 2 :]
        elif step == "anew":
            entries.begin_anew()
        else:
            file.catch_up(entries)
            found, again = read_back(entries, file)
            assert found == {name: shelf.held for name, shelf in shelves.items()}
            if step == "restart":
                again = Entries({name: shelf.collection() for name, shelf in shelves.items()})
                again.load(entries.dump(), file.reader())
                again.is_written()
                entries = again


def test_a_minute_costs_what_changed_and_the_outdated_never_outweighs_the_rest(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SPARE", 0)
    shelf, file = Shelf(), File()
    entries = Entries({"a": shelf.collection()})
    for key in range(500):
        shelf.put(key, "x" * 100)
    whole = file.catch_up(entries, 64)
    assert file.catch_up(entries) == 0
    sizes = []
    for number in range(200):
        for key in range(10):
            shelf.put(key, str(number) * 25)
        sizes.append(file.catch_up(entries, 64))
    assert sorted(sizes)[150] < whole / 40
    assert sum(sizes) < 200 * whole / 40 + 3 * whole
    assert max(len(data) for data in file.spaces.values()) < 2.2 * whole


def test_what_is_begun_anew_holds_nothing_of_what_went() -> None:
    shelf, file = Shelf(), File()
    entries = Entries({"a": shelf.collection()})
    shelf.put("secret", 1)
    file.catch_up(entries)
    shelf.drop("secret")
    entries.begin_anew()
    file.catch_up(entries)
    [space] = entries.row_spaces()
    assert b"secret" not in file.spaces[space]


def test_what_is_noted_is_bounded_where_nothing_is_ever_written_down() -> None:
    changed = Changed(most=10)
    changed.begin(())
    for key in range(11):
        changed.note(key)
    assert changed.is_all
    assert changed.take(100) == []


def test_what_is_no_entry_is_refused_in_words() -> None:
    entries = Entries({"a": Shelf().collection()})
    state = {**entries.dump(), "last": 5}
    with pytest.raises(ValueError, match="cannot be read"):
        entries.load(state, lambda space, start, stop: np.full((5, 1), 255, dtype=np.uint8))
    with pytest.raises(ValueError, match="nothing to read them from"):
        entries.load(state, None)
    with pytest.raises(KeyError):
        entries.rows_since("another", 0, 10)
