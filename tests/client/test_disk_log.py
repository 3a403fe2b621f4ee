"""A log on disk: what is read back after a crash, and what after damage."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette_client.disk_log import HEADER_BYTES, DiskLog

MANY, LARGE = 1000, 1 << 20


def texts(log: DiskLog, records: int = MANY, size: int = LARGE) -> list[bytes]:
    return [line.text for line in log.read(records, size)]


def all_texts(log: DiskLog) -> list[bytes]:
    """Everything, settled as it is read."""
    found: list[bytes] = []
    while lines := log.read(3, LARGE):
        found += [line.text for line in lines]
        log.settle(lines[-1].end, len(lines))
    return found


def only_file(folder: Path) -> Path:
    [path] = folder.glob("*.log")
    return path


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size, which fails just as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_written_is_read_in_order_by_the_next_process(tmp_path: Path) -> None:
    DiskLog(tmp_path, "query", LARGE).append([b"one", b"two"])
    log = DiskLog(tmp_path, "query", LARGE)
    log.append([b"three"])
    assert log.records == 3
    assert all_texts(log) == [b"one", b"two", b"three"]
    assert list(tmp_path.glob("*.log")) == []


def test_what_is_settled_does_not_come_back(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", LARGE)
    log.append([b"one", b"two", b"three"])
    log.settle(log.read(2, LARGE)[-1].end, 2)
    assert all_texts(DiskLog(tmp_path, "query", LARGE)) == [b"three"]


@given(cut=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_a_file_that_was_cut_anywhere_gives_its_whole_lines(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cut")
    written = [b"a" * 20, b"b" * 30, b"c" * 40]
    DiskLog(folder, "query", LARGE).append(written)
    path = only_file(folder)
    path.write_bytes(path.read_bytes()[:cut])
    ends = [HEADER_BYTES + sum(len(text) + 10 for text in written[: place + 1]) for place in range(3)]
    log = DiskLog(folder, "query", LARGE)
    assert all_texts(log) == [text for text, end in zip(written, ends, strict=True) if end <= cut]
    assert log.damaged == 0


def test_a_damaged_line_is_stepped_over_and_counted(tmp_path: Path) -> None:
    DiskLog(tmp_path, "query", LARGE).append([b"one", b"two", b"three"])
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"two", b"tvo"))
    log = DiskLog(tmp_path, "query", LARGE)
    assert (log.records, log.damaged) == (2, 1)
    assert all_texts(log) == [b"one", b"three"]


def test_a_damaged_header_gives_all_lines_again(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", LARGE)
    log.append([b"one", b"two"])
    log.settle(log.read(1, LARGE)[-1].end, 1)
    path = only_file(tmp_path)
    path.write_bytes(b"x" * 20 + path.read_bytes()[20:])
    assert all_texts(DiskLog(tmp_path, "query", LARGE)) == [b"one", b"two"]


def test_a_read_holds_to_both_bounds_but_gives_at_least_one_line(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", LARGE)
    log.append([b"a" * 10, b"b" * 10, b"c" * 10])
    assert len(texts(log, records=2)) == 2
    assert len(texts(log, size=25)) == 2
    assert len(texts(log, size=1)) == 1


def test_it_goes_on_in_a_new_file_when_one_is_long_enough(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", HEADER_BYTES + 1)
    for text in (b"one", b"two", b"three"):
        log.append([text])
    assert len(list(tmp_path.glob("*.log"))) == 3
    assert all_texts(log) == [b"one", b"two", b"three"]


def test_the_oldest_is_given_up_but_never_what_is_in_flight(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", HEADER_BYTES + 1)
    for text in (b"one", b"two", b"three"):
        log.append([text])
    assert texts(log) == [b"one"]
    assert log.drop_oldest(in_flight=True) == 1
    assert all_texts(log) == [b"one", b"three"]
    assert log.drop_oldest(in_flight=False) == 0


def test_a_full_disk_takes_all_lines_or_none(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", LARGE)
    log.append([b"one"])
    with full_disk(HEADER_BYTES + 30), pytest.raises(OSError):  # noqa: PT011
        log.append([b"two", b"three"])
    log.append([b"four"])
    assert log.records == 2
    assert all_texts(DiskLog(tmp_path, "query", LARGE)) == [b"one", b"four"]


def test_a_disk_that_was_full_from_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    log = DiskLog(tmp_path, "query", LARGE)
    with full_disk(HEADER_BYTES), pytest.raises(OSError):  # noqa: PT011
        log.append([b"one"])
    assert all_texts(log) == []
    assert list(tmp_path.glob("*.log")) == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "query-notes.log").write_text("mine")
    assert DiskLog(tmp_path, "query", LARGE).records == 0
    assert (tmp_path / "query-notes.log").exists()
