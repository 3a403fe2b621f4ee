"""The ids of a snapshot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from detectors import Query
from exporter.recovery.remembered import DamagedIds, Remembered, named
from exporter.sources.duplicates import Duplicates


def queries(*ids: int) -> list[Query]:
    return [Query("a text", model="m", id=str(number)) for number in ids]


def take(duplicates: Duplicates, *ids: int, now: float = 1000.0) -> dict[bytes, bytes]:
    found = duplicates.sort_out(queries(*ids), "")
    duplicates.remember(found.entries, now)
    return found.entries


def known(duplicates: Duplicates, ids: Sequence[int]) -> list[int]:
    return [number for number in ids if duplicates.sort_out(queries(number), "").duplicates]


def kept(remembered: Remembered, waiting: Sequence[dict[bytes, bytes]] = ()) -> dict[str, Any]:
    return remembered.write(remembered.copy(waiting))


def back(folder: Path, state: dict[str, Any], whole: bool = True) -> tuple[Duplicates, Remembered]:
    duplicates = Duplicates(size=40)
    remembered = Remembered(folder, duplicates)
    remembered.load(state, whole)
    return duplicates, remembered


def filled(folder: Path) -> tuple[Duplicates, Remembered]:
    """Generations of ten ids, of which three are over."""
    duplicates = Duplicates(size=40)
    for number in range(35):
        take(duplicates, number)
    return duplicates, Remembered(folder, duplicates)


def test_all_ids_come_back(tmp_path: Path) -> None:
    _, remembered = filled(tmp_path)
    again, _ = back(tmp_path, kept(remembered))
    assert known(again, range(40)) == list(range(35))
    for number in range(35, 100):
        take(again, number)
    assert known(again, range(20)) == []


def test_what_is_over_is_written_once_also_after_a_restart(tmp_path: Path) -> None:
    _, remembered = filled(tmp_path)
    state = kept(remembered)
    files = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    assert len(files) == 3
    again, remembered = back(tmp_path, state)
    take(again, 99)
    kept(remembered)
    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == files


def test_what_waits_is_left_out_and_makes_no_file_of_its_generation(tmp_path: Path) -> None:
    duplicates = Duplicates(size=40)
    waiting = take(duplicates, *range(10))
    for number in range(10, 15):
        take(duplicates, number)
    again, _ = back(tmp_path, kept(Remembered(tmp_path, duplicates), [waiting]))
    assert known(again, range(15)) == list(range(10, 15))
    assert list(tmp_path.iterdir()) == []


def test_what_is_taken_back_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    duplicates, remembered = filled(tmp_path)
    kept(remembered)
    duplicates.forget(duplicates.sort_out(queries(3), "").entries or take_again(duplicates, 3))
    again, _ = back(tmp_path, kept(remembered))
    assert known(again, range(5)) == [0, 1, 2, 4]


def test_what_is_taken_back_after_the_copy_leaves_the_copy_as_it_was(tmp_path: Path) -> None:
    duplicates, remembered = filled(tmp_path)
    copied = remembered.copy(())
    duplicates.forget(take_again(duplicates, 3) | take_again(duplicates, 34))
    again, _ = back(tmp_path, remembered.write(copied))
    assert known(again, range(35)) == list(range(35))
    assert known(duplicates, range(35)) == [number for number in range(35) if number not in (3, 34)]


def take_again(duplicates: Duplicates, number: int) -> dict[bytes, bytes]:
    """The entries of an id, as they were when it was taken."""
    other = Duplicates(size=40, secret=duplicates.copy((), ())["secret"])
    return other.sort_out(queries(number), "").entries


def test_files_that_no_kept_snapshot_names_are_removed(tmp_path: Path) -> None:
    duplicates, remembered = filled(tmp_path)
    old = kept(remembered)
    for number in range(35, 100):
        take(duplicates, number)
    new = kept(remembered)
    remembered.remove_others(named(old) | named(new))
    assert known(back(tmp_path, old)[0], range(35)) == list(range(35))
    remembered.remove_others(named(new))
    with pytest.raises(FileNotFoundError):
        back(tmp_path, old)
    assert known(back(tmp_path, new)[0], range(100)) == known(duplicates, range(100))


@pytest.mark.parametrize("size", [0, 50, -1])
def test_a_damaged_file_is_found_and_costs_only_its_own_ids(tmp_path: Path, size: int) -> None:
    _, remembered = filled(tmp_path)
    state = kept(remembered)
    path = tmp_path / f"{state['generations'][1]['name']}.ids"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedIds, match="its ids have changed"):
        back(tmp_path, state)
    again, remembered = back(tmp_path, state, whole=False)
    assert known(again, range(35)) == [*range(20), *range(30, 35)]
    assert known(back(tmp_path, kept(remembered))[0], range(35)) == [*range(20), *range(30, 35)]
