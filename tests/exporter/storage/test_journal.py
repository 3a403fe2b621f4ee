"""The journal: what it acknowledged is there after anything, what it refused never comes back."""

import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.storage.journal import SYNC_BUCKETS, Journal, JournalFull, JournalStopped, StateInUse
from tests.exporter.storage.conftest import MIB, FailingFiles, Writer, replayed, written

ROOT = Path(__file__).parents[3]
Open = Callable[..., Journal]


def numbered(*records: bytes, first: int = 1) -> list[tuple[int, bytes]]:
    return list(enumerate(records, first))


def names(folder: Path) -> list[int]:
    """First numbers of the segments in a folder."""
    return [int(path.stem) for path in sorted(folder.glob("*.journal"))]


def append_and_wait(journal: Journal, record: bytes) -> tuple[int, Exception | None]:
    """One record as a group of its own: its number, and what its sender heard."""
    heard: list[Exception | None] = []
    told = threading.Event()

    def done(error: Exception | None) -> None:
        heard.append(error)
        told.set()

    number = journal.append(record, done)
    assert told.wait(30)
    [error] = heard
    return number, error


def test_what_was_appended_is_replayed_in_order_with_its_numbers(folder: Path, open_journal: Open) -> None:
    journal = open_journal()
    writer = Writer(journal)
    journal.start()
    writer.append(b"one", b"", b"\x00" * 1000)
    journal.stop()
    assert writer.kept == numbered(b"one", b"", b"\x00" * 1000)
    assert replayed(folder) == writer.kept
    assert replayed(folder, after=2) == writer.kept[2:]
    assert replayed(folder, after=3) == []


def test_numbers_go_on_after_a_restart(folder: Path) -> None:
    written(folder, [b"a", b"b"], [b"c"], [b"d"])
    assert replayed(folder) == numbered(b"a", b"b", b"c", b"d")


def test_all_that_wait_share_one_sync(open_journal: Open) -> None:
    files = FailingFiles()
    journal = open_journal(files=files)
    writer = Writer(journal)
    writer.append(*[b"record"] * 100)
    journal.stop()
    assert len(writer.kept) == 100
    assert files.calls.count("sync_data") == 1
    assert sum(journal.sync_counts) == 1
    assert len(journal.sync_counts) == len(SYNC_BUCKETS) + 1
    assert journal.sync_seconds > 0


def test_a_record_is_on_the_disk_before_its_sender_hears_of_it(open_journal: Open) -> None:
    files = FailingFiles()
    journal = open_journal(files=files)
    heard: list[list[str]] = []
    told = threading.Event()

    def done(error: Exception | None) -> None:
        heard.append(list(files.calls))
        told.set()

    journal.start()
    journal.append(b"record", done)
    assert told.wait(30)
    assert heard[0][-2:] == ["write", "sync_data"]
    assert journal.last_number == 1


def test_a_group_waits_for_what_arrives_within_the_interval(open_journal: Open) -> None:
    files = FailingFiles()
    journal = open_journal(files=files, interval=3600)
    writer = Writer(journal)
    journal.start()
    writer.append(b"first")
    writer.append(b"second")
    assert writer.told == []
    journal.stop()  # does not wait out the interval
    assert writer.told == [b"first", b"second"]
    assert files.calls.count("sync_data") == 1


def test_many_threads_append_at_once(folder: Path, open_journal: Open) -> None:
    journal = open_journal(segment_bytes=4000)
    writers = [Writer(journal) for _ in range(8)]
    journal.start()

    def append(index: int) -> None:
        for count in range(200):
            writers[index].append(f"{index} {count}".encode())

    threads = [threading.Thread(target=append, args=[index]) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.stop()
    assert sorted(pair for writer in writers for pair in writer.kept) == replayed(folder)
    assert [len(writer.kept) for writer in writers] == [200] * 8


def test_one_who_listens_badly_takes_nothing_from_the_others(
    open_journal: Open, caplog: pytest.LogCaptureFixture
) -> None:
    journal = open_journal()
    writer = Writer(journal)

    def break_down(error: Exception | None) -> None:
        raise RuntimeError

    journal.append(b"a", break_down)
    writer.append(b"b")
    journal.stop()
    assert writer.kept == [(2, b"b")]
    assert "what waited for the journal failed" in caplog.text


# -- files


def test_only_the_owner_may_read_the_state(folder: Path) -> None:
    written(folder, [b"a"])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes == {"state": 0o700, "lock": 0o600, "00000000000000000001.journal": 0o600}


def test_a_folder_in_use_is_refused_by_name(folder: Path, open_journal: Open) -> None:
    open_journal()
    with pytest.raises(StateInUse) as refused:
        open_journal()
    assert str(refused.value) == (
        f"the state folder {folder} is in use by another process: stop it, or give another folder"
    )


def test_a_stopped_journal_lets_go_of_its_folder_and_takes_no_more(folder: Path, open_journal: Open) -> None:
    journal = open_journal()
    journal.stop()
    journal.stop()
    open_journal()
    with pytest.raises(JournalStopped, match="takes no more records"):
        journal.append(b"late", lambda error: None)


def test_a_full_segment_is_followed_by_another(folder: Path, open_journal: Open) -> None:
    journal = open_journal(segment_bytes=100)
    writer = Writer(journal)
    writer.append(*[b"%040d" % number for number in range(5)], b"x" * 1000, b"short")
    journal.stop()
    assert names(folder) == [1, 3, 5, 6, 7]
    assert replayed(folder) == writer.kept
    assert journal.size_bytes == sum(path.stat().st_size for path in folder.glob("*.journal"))


def test_a_run_that_wrote_nothing_leaves_no_file(folder: Path) -> None:
    written(folder, [], [b"a"], [], [])
    assert names(folder) == [1]


def test_forget_deletes_what_holds_nothing_newer_and_never_the_newest(folder: Path, open_journal: Open) -> None:
    written(folder, [b"1", b"2"], [b"3", b"4"], [b"5"])
    journal = open_journal()
    journal.forget(3)
    assert names(folder) == [3, 5]
    journal.forget(99)
    assert names(folder) == [5]
    assert journal.size_bytes == sum(path.stat().st_size for path in folder.glob("*.journal"))
    assert list(journal.replay(4)) == [(5, b"5")]


def test_what_cannot_be_deleted_is_tried_again(folder: Path, open_journal: Open) -> None:
    written(folder, [b"1"], [b"2"], [b"3"])
    files = FailingFiles()
    journal = open_journal(files=files)
    files.failing = [len(files.calls) + 1]
    journal.forget(2)
    assert names(folder) == [1, 2, 3]
    journal.forget(2)
    assert names(folder) == [3]


# -- the bound


def fill(writer: Writer, record: bytes, times: int) -> None:
    for _ in range(times):
        writer.append(record)


def test_a_full_journal_refuses_before_it_takes_and_goes_on_once_it_may_forget(
    folder: Path, open_journal: Open
) -> None:
    journal = open_journal(max_bytes=1000)
    writer = Writer(journal)
    with pytest.raises(JournalFull) as full:
        fill(writer, b"x" * 50, 100)
    assert str(full.value) == "the journal has reached its bound of 1000 bytes"
    journal.stop()
    assert 10 < len(writer.kept) < 20
    assert journal.size_bytes <= 1000 + 20 * len(names(folder))
    journal = open_journal(max_bytes=1000)
    writer = Writer(journal)
    assert not journal.is_full
    with pytest.raises(JournalFull):
        fill(writer, b"x" * 50, 5)
    journal.forget(0)
    assert journal.is_full
    journal.forget(journal.last_number)
    assert not journal.is_full
    fill(writer, b"x" * 50, 5)
    journal.stop()
    assert len(writer.kept) >= 5


def test_the_bound_counts_what_waits_until_it_is_written_or_refused(open_journal: Open) -> None:
    files = FailingFiles()
    journal = open_journal(max_bytes=1000, files=files)
    files.failing = [len(files.calls) + 1]
    writer = Writer(journal)
    fill(writer, b"x" * 90, 10)  # more than one segment takes: some are refused while they wait
    with pytest.raises(JournalFull):
        fill(writer, b"x" * 90, 1)
    journal.start()
    while len(writer.refused) < 10:
        append_and_wait(journal, b"")
    for _ in range(8):
        assert append_and_wait(journal, b"x" * 90)[1] is None
    with pytest.raises(JournalFull):
        fill(writer, b"x" * 90, 2)


# -- without sync


def test_without_sync_a_record_is_written_at_once_and_nothing_waits_for_the_disk(
    folder: Path, open_journal: Open
) -> None:
    files = FailingFiles()
    journal = open_journal(files=files, sync=False)
    before = len(files.calls)
    assert [journal.append_now(b"a"), journal.append_now(b"b")] == [1, 2]
    assert set(files.calls[before:]) == {"open", "write", "rename"}
    assert journal.last_number == 2
    journal.stop()
    assert replayed(folder) == numbered(b"a", b"b")
    with pytest.raises(JournalStopped):
        journal.append_now(b"c")


def test_each_way_to_append_belongs_to_its_kind_of_journal(open_journal: Open) -> None:
    journal = open_journal(sync=False)
    with pytest.raises(ValueError, match="a journal with sync=False takes append_now"):
        journal.append(b"a", lambda error: None)
    journal.stop()
    with pytest.raises(ValueError, match="a journal with sync=True takes append"):
        open_journal().append_now(b"a")


def test_without_sync_a_record_that_could_not_be_written_never_comes_back(folder: Path, open_journal: Open) -> None:
    files = FailingFiles()
    journal = open_journal(files=files, sync=False)
    journal.append_now(b"good")
    files.failing = [len(files.calls) + 1]
    with pytest.raises(OSError, match="no space left"):
        journal.append_now(b"refused")
    assert isinstance(journal.failure, OSError)
    assert journal.append_now(b"later") == 2
    assert journal.failure is None
    journal.stop()
    assert replayed(folder) == numbered(b"good", b"later")


# -- failures


def test_a_group_that_failed_is_refused_as_a_whole_and_its_numbers_are_used_again(
    folder: Path, open_journal: Open, caplog: pytest.LogCaptureFixture
) -> None:
    files = FailingFiles()
    journal = open_journal(files=files)
    journal.start()
    assert append_and_wait(journal, b"good") == (1, None)
    files.failing = [len(files.calls) + 2]  # the sync: all of it stands in the file
    number, error = append_and_wait(journal, b"refused")
    assert (number, str(error)) == (2, "[Errno 28] no space left, says the test")
    assert journal.failure is error
    assert append_and_wait(journal, b"later") == (2, None)
    assert journal.failure is None
    journal.stop()
    assert replayed(folder) == numbered(b"good", b"later")
    assert "cannot write the journal" in caplog.text
    assert "refused" not in caplog.text


def test_what_waits_behind_a_group_that_failed_is_refused_with_it(folder: Path, open_journal: Open) -> None:
    files = FailingFiles()
    journal = open_journal(files=files, segment_bytes=200)
    writer = Writer(journal)
    files.failing = [len(files.calls) + 1]  # the new segment
    records = [b"%090d" % number for number in range(5)]  # more than one segment takes
    writer.append(*records)
    journal.start()
    journal.stop()
    assert (writer.kept, writer.refused, writer.told) == ([], records, records)
    assert replayed(folder) == []


def records_of_run(folder: Path, files: FailingFiles) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """Two runs of the program over several segments: what was acknowledged, with its number, and what was refused."""
    kept: list[tuple[int, bytes]] = []
    refused: list[bytes] = []
    for run in range(2):
        try:
            journal = Journal(folder, max_bytes=MIB, segment_bytes=120, interval=0.0, files=files)
        except OSError:
            continue
        assert list(journal.replay(0)) == kept
        journal.start()
        for count in range(5):
            record = b"run %d record %d, some more bytes" % (run, count)
            number, error = append_and_wait(journal, record)
            if error is None:
                kept.append((number, record))
            else:
                refused.append(record)
        journal.stop()
    return kept, refused


@pytest.mark.parametrize("late", [False, True])
def test_whatever_one_call_fails_the_acknowledged_are_there_once_and_the_refused_are_not(
    tmp_path: Path, late: bool
) -> None:
    files = FailingFiles()
    records_of_run(tmp_path / "all is well", files)
    assert {"open", "write", "sync_data", "sync", "rename"} <= set(files.calls)
    for call in range(1, len(files.calls) + 1):
        folder = tmp_path / str(call)
        kept, refused = records_of_run(folder, FailingFiles([call], late=late))
        assert len(kept) >= 5
        assert len(refused) <= 1
        assert replayed(folder) == kept, f"call {call}, {files.calls[call - 1]}"


def test_writes_that_take_a_few_bytes_at_a_time_are_finished(folder: Path) -> None:
    kept, refused = records_of_run(folder, FailingFiles(short=7))
    assert refused == []
    assert replayed(folder) == kept


# -- a real process

#: appends in a loop with at most 50 that wait, and prints the number of each record that was acknowledged
PROGRAM = """
import itertools, sys, threading
from pathlib import Path
from exporter.storage.journal import Journal

journal = Journal(Path(sys.argv[1]), max_bytes=2**30, segment_bytes=20_000)
last = max((number for number, _ in journal.replay(0)), default=0)
room = threading.Semaphore(50)

def done(error):
    global last
    assert error is None
    last += 1
    print(last, flush=True)
    room.release()

journal.start()
for number in itertools.count(last + 1):
    room.acquire()
    assert journal.append(b"%d," % number * 20, done) == number
"""


def test_what_was_acknowledged_outlasts_kill_9(folder: Path) -> None:
    acknowledged = 0
    for run in range(4):
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(random.Random(run).randrange(100, 900)):
                acknowledged = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().split(b"\n")[:-1]
        acknowledged = int(rest[-1]) if rest else acknowledged
        records = replayed(folder)
        assert len(records) >= acknowledged
        assert records == [(number, b"%d," % number * 20) for number in range(1, len(records) + 1)]
    assert len(names(folder)) > 4


def test_the_folder_of_a_running_process_is_refused(folder: Path, open_journal: Open) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(StateInUse):
            open_journal()
        child.kill()
        child.stdout.read()
    open_journal()
