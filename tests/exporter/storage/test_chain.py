"""The row of segments: cut, flipped, failed writes in pairs, and the gaps that remain."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.storage.chain import Chain, JournalGap
from tests.exporter.storage.conftest import FailingFiles, PluggedFiles, replayed, written

GROUPS = [[b"one"], [b"two", b"three"], [b"four" * 20, b"", b"six"], [b"seven"], [b"eight" * 9, b"nine"]]
ALL = [record for group in GROUPS for record in group]


def chain(folder: Path, files: FailingFiles | None = None, segment_bytes: int = 100) -> Chain:
    folder.mkdir(exist_ok=True)
    return Chain(folder, segment_bytes, True, files or FailingFiles())


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def records(found: Sequence[tuple[int, bytes]]) -> list[bytes]:
    return [record for _, record in found]


def damage(path: Path, content: bytes, at: int = -1) -> None:
    """Flip a byte that stands in this content, from its start or its end."""
    whole = bytearray(path.read_bytes())
    place = whole.index(content) + (at % max(len(content), 1))
    whole[place] ^= 0xFF
    path.write_bytes(whole)


def write_groups(
    folder: Path, files: FailingFiles, told: Callable[[list[tuple[int, bytes]]], None] | None = None
) -> list[tuple[int, bytes]]:
    """Write the groups one after the other; those that were not refused, with their numbers.

    told: called with them after each group.
    """
    kept: list[tuple[int, bytes]] = []
    journal = chain(folder, files)
    for group in GROUPS:
        first = journal.next_number
        try:
            journal.write(group)
        except OSError:
            assert journal.next_number == first
        else:
            kept += enumerate(group, first)
        if told:
            told(kept)
    journal.close()
    return kept


@pytest.mark.parametrize("late", [False, True])
def test_whatever_two_calls_fail_the_written_are_there_once_and_the_refused_are_not(tmp_path: Path, late: bool) -> None:
    files = FailingFiles()
    assert records(write_groups(tmp_path / "all is well", files)) == ALL
    calls = range(1, len(files.calls) + 8)  # what is done about a failure makes calls too
    for number, failing in enumerate([*((call,) for call in calls), *combinations(calls, 2)]):
        folder = tmp_path / str(number)
        kept = write_groups(folder, FailingFiles(failing, late=late))
        assert len(kept) >= len(ALL) - 6
        assert replayed(folder) == kept, f"calls {failing}"


@pytest.mark.parametrize("late", [False, True])
def test_whatever_call_fails_a_power_cut_leaves_what_was_written_and_not_what_was_refused(
    tmp_path: Path, late: bool
) -> None:
    last_call = 40
    for failing in range(last_call + 1):
        folder = tmp_path / str(failing)
        files = PluggedFiles(folder, [failing], late=late)

        def pull(kept: list[tuple[int, bytes]], files: PluggedFiles = files) -> None:
            rest = tmp_path / f"{files.folder.name} after {len(files.calls)} calls"
            files.pull_the_plug(rest)
            assert replayed(rest) == kept, f"call {files.failing}, {len(files.calls)} made"
            assert list(rest.glob("*.corrupt")) == []

        write_groups(folder, files, pull)
        assert len(files.calls) < last_call


def test_a_group_that_fails_between_two_writes_leaves_nothing(tmp_path: Path) -> None:
    files = FailingFiles()
    journal = chain(tmp_path, files, segment_bytes=2**24)
    large = [bytes([number]) * 100_000 for number in range(9)]
    journal.write(large[:4])
    assert files.calls[-3:] == ["write", "write", "sync_data"]
    files.failing = [len(files.calls) + 2]
    with pytest.raises(OSError, match="no space left"):
        journal.write(large[4:8])
    journal.write(large[8:])
    journal.close()
    assert records(replayed(tmp_path)) == large[:4] + large[8:]


def test_where_the_disk_refuses_everything_the_log_says_so_and_the_refused_go_once_it_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = FailingFiles()
    journal = chain(tmp_path, files)
    journal.write([b"good"])
    now = len(files.calls)
    files.failing = range(now + 2, now + 10)  # the sync, the cut, the new segment
    with pytest.raises(OSError, match="no space left"):
        journal.write([b"refused"])
    assert "the disk takes neither a cut nor a new file" in caplog.text
    assert records(replayed(tmp_path)) == [b"good", b"refused"]
    files.failing = ()
    journal.close()
    assert records(replayed(tmp_path)) == [b"good"]


def test_a_file_that_could_not_be_cut_is_followed_by_one_that_rules_its_end_out(tmp_path: Path) -> None:
    files = FailingFiles()
    journal = chain(tmp_path, files, segment_bytes=10_000)
    journal.write([b"good"])
    files.failing = [len(files.calls) + 2, len(files.calls) + 3]
    with pytest.raises(OSError, match="no space left"):
        journal.write([b"refused", b"refused too"])
    assert "refused too" in segments(tmp_path)[0].read_text("latin-1")
    assert journal.size_bytes == sum(path.stat().st_size for path in segments(tmp_path))
    journal.write([b"later"])
    journal.close()
    assert replayed(tmp_path) == [(1, b"good"), (2, b"later")]


def test_a_first_file_that_could_not_be_cut_is_replaced(tmp_path: Path) -> None:
    files = FailingFiles()
    journal = chain(tmp_path, files)
    calls = ["open", "write", "sync", "rename", "open", "sync", "write", "sync_data", "truncate"]
    files.failing = [8, 9]
    with pytest.raises(OSError, match="no space left"):
        journal.write([b"refused"])
    assert files.calls == [*calls, *calls[:6]]
    [only] = segments(tmp_path)
    assert journal.size_bytes == only.stat().st_size == 20
    journal.close()
    assert replayed(tmp_path) == []


# -- the end of the newest segment


def test_what_is_found_at_the_start_is_on_the_disk_before_it_is_replayed(tmp_path: Path) -> None:
    written(tmp_path, [b"written by a process that was killed before its sync"])
    files = PluggedFiles(tmp_path)
    journal = chain(tmp_path, files)
    files.pull_the_plug(tmp_path / "rest")
    assert replayed(tmp_path / "rest") == list(journal.replay(0)) != []


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_newest_segment_cut_anywhere_replays_as_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    written(folder, ALL[:3], ALL[3:])
    newest = segments(folder)[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = records(replayed(folder))
    assert found == ALL[: len(found)]
    assert len(found) >= 3
    assert records(replayed(folder)) == found
    written(folder, [b"more"])
    assert records(replayed(folder)) == [*found, b"more"]


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_newest_segment_with_a_flipped_byte_replays_as_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    written(folder, ALL[:3], ALL[3:])
    newest = segments(folder)[-1]
    content = bytearray(newest.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    newest.write_bytes(content)
    found = records(replayed(folder))
    assert found == ALL[: len(found)]
    assert 3 <= len(found) < len(ALL)
    written(folder, [b"more"])
    assert records(replayed(folder)) == [*found, b"more"]


def test_a_torn_end_is_cut_off_counted_once_and_logged_without_its_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, [b"good", b"secret"])
    [newest] = segments(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-1])
    assert chain(tmp_path).torn_records == 1
    assert chain(tmp_path).torn_records == 0
    assert "torn" in caplog.text
    assert "secret" not in caplog.text
    assert b"secre" not in newest.read_bytes()


@pytest.mark.parametrize("links", [True, False])
def test_a_newest_segment_without_its_header_is_kept_aside(tmp_path: Path, links: bool) -> None:
    written(tmp_path, [b"a"], [b"b"])
    newest = segments(tmp_path)[-1]
    damage(newest, b"VEDJRNL")
    content = newest.read_bytes()
    files = FailingFiles()
    files.failing = () if links else [1]
    assert chain(tmp_path, files).torn_records == 1
    assert files.calls[0] == "link"
    assert newest.with_name(newest.name + ".corrupt").read_bytes() == content
    written(tmp_path, [b"c"])
    assert replayed(tmp_path) == [(1, b"a"), (2, b"c")]


# -- gaps


def test_damage_in_an_older_segment_keeps_what_stands_before_it_and_ends_in_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, [b"one", b"two", b"three"], [b"four"])
    older = segments(tmp_path)[0]
    damage(older, b"two")
    content = older.read_bytes()
    for _ in range(2):  # the second time, what stood before the damage is still there
        replay = chain(tmp_path).replay(0)
        assert next(replay) == (1, b"one")
        with pytest.raises(JournalGap) as gap:
            next(replay)
        assert (gap.value.expected, gap.value.found) == (2, 4)
        assert str(gap.value) == "the journal holds no records 2 to 3; it goes on at 4"
    assert older.with_name(older.name + ".corrupt").read_bytes() == content
    assert list(chain(tmp_path).replay(gap.value.found - 1)) == [(4, b"four")]
    assert "kept aside" in caplog.text
    assert "two" not in caplog.text


def test_a_damaged_segment_that_cannot_be_kept_aside_is_a_gap_all_the_same(tmp_path: Path) -> None:
    written(tmp_path, [b"one", b"two"], [b"three"])
    damage(segments(tmp_path)[0], b"two")
    files = FailingFiles()
    journal = chain(tmp_path, files)
    files.failing = range(1, 100)
    for _ in range(2):
        with pytest.raises(JournalGap):
            list(journal.replay(0))


def test_damage_below_what_is_asked_for_is_no_gap_where_its_segment_is_not_needed(tmp_path: Path) -> None:
    written(tmp_path, [b"one", b"two"], [b"three"])
    damage(segments(tmp_path)[0], b"one")
    assert replayed(tmp_path, after=2) == [(3, b"three")]
    with pytest.raises(JournalGap) as gap:
        replayed(tmp_path, after=1)
    assert (gap.value.expected, gap.value.found) == (2, 3)


def test_a_segment_that_is_gone_is_a_gap(tmp_path: Path) -> None:
    written(tmp_path, [b"one"], [b"two"], [b"three"])
    segments(tmp_path)[1].unlink()
    with pytest.raises(JournalGap) as gap:
        replayed(tmp_path)
    assert (gap.value.expected, gap.value.found) == (2, 3)
    segments(tmp_path)[0].unlink()
    with pytest.raises(JournalGap) as gap:
        replayed(tmp_path)
    assert (gap.value.expected, gap.value.found) == (1, 3)


def test_numbers_that_the_state_already_covers_are_not_given_out_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, [b"one"])
    journal = chain(tmp_path)
    assert list(journal.replay(5)) == []
    assert "the journal ends before the state does" in caplog.text
    journal.write([b"six"])
    journal.close()
    assert replayed(tmp_path, after=5) == [(6, b"six")]
    with pytest.raises(JournalGap):
        replayed(tmp_path, after=4)
