"""What survives a restart."""

import threading
from itertools import count
from pathlib import Path

import msgspec
import pytest

from exporter.config import DetectorConfig
from exporter.pipeline import Pipeline
from exporter.storage.snapshot import Snapshots
from tests.exporter.recovery.conftest import DETECTORS, begin, events, files_of_windows, live
from tests.exporter.storage.conftest import FailingFiles


@pytest.mark.parametrize("snapshots", [(), (1,), (0, 2), (0, 1, 2)])
def test_counts_and_windows_go_on_as_if_nothing_had_happened(tmp_path, configured, snapshots):
    """Killed after each part, with a snapshot before some of the ends."""
    whole = live(tmp_path / "whole", configured)
    for part in range(4):
        run = live(tmp_path / "killed", configured)
        whole.push(*events(part * 20, 10))
        whole.push(*events(part * 20 + 10, 10))
        run.push(*events(part * 20, 10))
        if part in snapshots:
            assert run.keeper.save()
        run.push(*events(part * 20 + 10, 10))
        run.kill()
    last = live(tmp_path / "killed", configured)
    assert last.state() == whole.state()
    assert last.pipeline.models.of(None).queries == 80


def test_a_retry_after_a_restart_is_a_duplicate(tmp_path, configured):
    run = live(tmp_path, configured)
    run.push(*events(0, 5))
    run.kill()
    again = live(tmp_path, configured)
    again.push(*events(0, 5))
    assert again.push_intake.counts.duplicates == 5
    assert again.state()["queries"] == 5


def test_the_epoch_stays_while_counts_go_on_and_changes_with_another_configuration(tmp_path, config):
    run = live(tmp_path, config(*DETECTORS), clock=lambda: 5.0)
    run.push(*events(0, 5))
    run.kill()
    same = live(tmp_path, config(*DETECTORS), clock=lambda: 6.0)
    assert (same.keeper.epoch, same.state()["queries"]) == (5.0, 5)
    same.kill()
    other = live(tmp_path, config(DETECTORS[1]), clock=lambda: 7.0)
    assert (other.keeper.epoch, other.state()["queries"]) == (7.0, 0)
    assert other.pipeline.models.of(None).tallies[0].detector.get_state()["current_history_size"] == 5


def test_what_is_not_written_yet_is_in_no_snapshot(tmp_path, configured):
    """Else a query that was never acknowledged would make its own retry a duplicate."""
    run = live(tmp_path, configured)
    run.push_intake.push(msgspec.json.encode(events(0, 1)))  # taken, not judged
    run.keeper.save()
    run.kill()
    for segment in (tmp_path / "journal").glob("*.journal"):
        segment.unlink()
    again = live(tmp_path, configured)
    again.push(*events(0, 1))
    assert again.state()["queries"] == 1


def test_a_broken_snapshot_is_made_good_by_the_one_before_and_the_journal(tmp_path, configured):
    run = live(tmp_path, configured)
    run.push(*events(0, 5))
    run.keeper.save()
    run.push(*events(5, 5))
    run.kill()
    newest = max(tmp_path.glob("*.snapshot"))
    newest.write_bytes(newest.read_bytes()[:-3])
    again = live(tmp_path, configured)
    assert again.state()["queries"] == 10
    assert again.keeper.set_aside == 1


def test_a_snapshot_of_another_kind_is_set_aside_and_never_a_crash(tmp_path, configured, caplog):
    tmp_path.mkdir(exist_ok=True)
    Snapshots(tmp_path).save(0, {"something": "else"})
    run = live(tmp_path, configured)
    assert run.push(*events(0, 3)) == 202
    assert run.keeper.set_aside == 1
    assert "cannot be taken over" in caplog.text


class Held(Pipeline):
    """Judges the first delivery, and no other before it is let."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def judge(self, deliveries):
        super().judge(deliveries)
        self.begun.set()
        assert self.go_on.wait(10)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_stop_during_the_replay_ends_it_and_leaves_the_folder_as_it_was(tmp_path, configured):
    """A snapshot of what another thread is judging would be of no moment at all."""
    run = live(tmp_path, configured)
    for part in range(3):
        run.push(*events(part * 5, 5))
    run.kill()
    before = files_of(tmp_path)
    stopped = begin(tmp_path, configured, judging=Held)
    recovering = threading.Thread(target=stopped.keeper.recover)
    recovering.start()
    assert stopped.pipeline.begun.wait(10)
    ending = threading.Thread(target=stopped.keeper.stop, args=(10,))
    ending.start()
    assert stopped.keeper.stopping.wait(10)
    stopped.pipeline.go_on.set()
    ending.join(10)
    recovering.join(10)
    stopped.kill()
    assert (stopped.keeper.replayed, stopped.keeper.recovering) == (5, True)
    assert files_of(tmp_path) == before
    assert live(tmp_path, configured).state() == run.state()


def test_what_never_came_back_is_not_saved_at_the_end(tmp_path, configured):
    """An empty state would have the files of the good one removed."""
    run = live(tmp_path, configured)
    run.push(*events(0, 5))
    run.keeper.save()
    run.kill()
    before = files_of(tmp_path)
    failed = begin(tmp_path, configured)
    failed.keeper.stop(10)
    failed.kill()
    assert files_of(tmp_path) == before


def test_a_lost_journal_begins_all_counts_anew(tmp_path, configured):
    run = live(tmp_path, configured, clock=lambda: 5.0)
    run.push(*events(0, 5))
    run.kill()
    for snapshot in tmp_path.glob("*.snapshot"):
        snapshot.unlink()
    [segment] = (tmp_path / "journal").glob("*.journal")
    content = bytearray(segment.read_bytes())
    content[-3] ^= 255
    segment.write_bytes(content)
    again = live(tmp_path, configured, clock=lambda: 9.0)
    assert again.state()["queries"] == 0


def test_a_journal_that_ends_before_the_snapshot_begins_all_counts_anew(tmp_path, configured):
    """What it held behind the snapshot is lost, and was counted: going on would be to go back."""
    run = live(tmp_path, configured, clock=lambda: 5.0)
    run.push(*events(0, 5))
    run.keeper.save()
    run.push(*events(5, 5))
    run.kill()
    first, *others = sorted((tmp_path / "journal").glob("*.journal"))
    for other in others:
        other.unlink()
    content = bytearray(first.read_bytes())
    content[40] ^= 255
    first.write_bytes(content)
    again = live(tmp_path, configured, clock=lambda: 9.0)
    assert (again.keeper.epoch, again.state()["queries"]) == (9.0, 0)


def test_a_disk_that_refuses_the_snapshot_is_counted_and_the_journal_stays(tmp_path, configured, caplog):
    files = FailingFiles()
    run = live(tmp_path, configured, files=files)
    run.push(*events(0, 5))
    files.failing = {len(files.calls) + 1}
    assert not run.keeper.save()
    assert run.keeper.failures == 1
    assert "no snapshot was written" in caplog.text
    run.kill()
    assert live(tmp_path, configured).state()["queries"] == 5


def test_a_start_that_can_write_no_snapshot_tells_since_when_there_ought_to_be_one(tmp_path, configured):
    """Else the alert of an old snapshot would be silent where there never was one."""
    files = FailingFiles()
    run = begin(tmp_path, configured, files=files, clock=lambda: 7.0)
    files.failing = set(range(1000))
    run.keeper.recover()
    assert (run.keeper.saved_at, run.keeper.seconds, run.keeper.failures) == (7.0, None, 1)
    files.failing = set()
    assert run.keeper.save()
    assert run.keeper.seconds is not None
    run.kill()


def test_a_drop_file_that_was_judged_in_part_is_gone_on_with_after_a_crash(tmp_path, configured):
    """The first snapshot of the new run is written before the folder is looked at."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.ndjson").write_bytes(b"\n".join(map(msgspec.json.encode, events(0, 2500))))
    run = live(tmp_path / "state", configured, drop=tmp_path / "drop")
    run.read(1)
    run.kill()
    for killed_after in (0, 1, 10):
        run = live(tmp_path / "state", configured, drop=tmp_path / "drop")
        run.read(killed_after)
        run.kill()
    assert run.state()["queries"] == 2500
    assert [path.name for path in (tmp_path / "drop" / "done").iterdir()] == ["a.ndjson"]
    assert run.keeper.save()
    assert run.pipeline.positions == {}


def test_windows_that_cannot_be_read_come_back_from_the_snapshot_before(tmp_path, configured, caplog):
    run = live(tmp_path, configured)
    run.push(*events(0, 5))
    run.keeper.save()
    [rows] = files_of_windows(run, tmp_path)
    run.push(*events(5, 5))
    run.keeper.save()
    run.kill()
    content = bytearray(rows.read_bytes())
    content[-1] ^= 255
    rows.write_bytes(content)
    again = live(tmp_path, configured)
    assert again.state() == run.state()
    assert again.keeper.epoch == run.keeper.epoch
    assert "windows or ids of a snapshot cannot be read" in caplog.text


@pytest.mark.parametrize("restarted", [False, True])
def test_the_snapshot_before_keeps_its_windows_while_nothing_comes(tmp_path, config, monkeypatch, restarted):
    """Without a query a snapshot takes the place of the newest, not of the one before."""
    monkeypatch.setattr("exporter.storage.rows.SMALL", 0)  # files of rows are let go of early
    few = config(DetectorConfig(name="text_similarity", options={"max_history_size": 4}))
    run = live(tmp_path, few)
    run.push(*events(0, 5))
    run.keeper.save()
    run.push(*events(5, 20))
    for _ in range(3):
        run.keeper.save()
    if restarted:
        run.kill()
        run = live(tmp_path, few)
        run.keeper.save()
    run.kill()
    assert len(list(tmp_path.glob("*.snapshot"))) == 2
    newest = max(tmp_path.glob("*.snapshot"))
    newest.write_bytes(b"")
    again = live(tmp_path, few)
    assert again.state() == run.state()
    assert again.keeper.epoch == run.keeper.epoch


@pytest.mark.parametrize("restarted", [False, True])
def test_a_full_journal_takes_again_after_two_snapshots_though_nothing_came_in_between(tmp_path, configured, restarted):
    """Where nothing is taken no snapshot goes further than the one before, back to which the journal would stay."""
    run = live(tmp_path, configured)
    large = ({"id": n, "input": f"{n} " + "x" * 50_000} for n in count())
    taken = sum(iter(lambda: run.push(next(large)) == 202, False))
    run.keeper.save()
    if restarted:
        run.kill()
        run = live(tmp_path, configured)
    assert run.push(next(large)) == 507
    run.keeper.save()
    assert run.push(next(large)) == 202
    run.keeper.save()
    assert len(list(tmp_path.glob("*.snapshot"))) == 2
    run.kill()
    again = live(tmp_path, configured)
    assert again.state() == run.state()
    assert (again.state()["queries"], again.keeper.epoch) == (taken + 1, run.keeper.epoch)


def test_where_no_windows_can_be_read_they_begin_anew_and_the_others_go_on(tmp_path, configured):
    run = live(tmp_path, configured, clock=lambda: 5.0)
    for start in (0, 5):
        run.push(*events(start, 5))
        run.keeper.save()
    run.kill()
    [rows] = files_of_windows(run, tmp_path)
    rows.unlink()
    again = live(tmp_path, configured, clock=lambda: 9.0)
    windows = [tally.detector.window_queries() for tally in again.pipeline.models.of(None).tallies[1:]]
    assert (windows, again.state()["queries"], again.keeper.epoch) == ([10, 0], 0, 9.0)
