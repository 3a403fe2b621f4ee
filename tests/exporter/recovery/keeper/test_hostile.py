"""A restart under hostile clocks and folders."""

from pathlib import Path

import pytest

from tests.exporter.conftest import Clock
from tests.exporter.recovery.conftest import events, live
from tests.exporter.storage.conftest import FailingFiles

YEAR = 365 * 86_400.0


@pytest.mark.parametrize("jump", [-YEAR, -3600.0, 3600.0, YEAR])
def test_a_clock_that_jumps_between_two_runs_or_within_one_changes_no_count(tmp_path, configured, jump):
    clock = Clock(2 * YEAR)
    whole = live(tmp_path / "whole", configured, clock=clock)
    run = live(tmp_path / "killed", configured, clock=clock)
    for part in range(4):
        clock.now += jump * (part % 2)  # within a run
        whole.push(*events(part * 10, 10))
        assert run.push(*events(part * 10, 10)) == 202
        if part == 1:
            run.keeper.save()
        run.kill()
        clock.now -= jump * (part % 2)  # and between two
        run = live(tmp_path / "killed", configured, clock=clock)
        assert run.push(*events(part * 10, 10)) == 202  # a retry, whatever the time
    assert run.state() == whole.state()
    assert run.pipeline.models.of(None).clock == whole.pipeline.models.of(None).clock
    assert run.state()["queries"] == 40


def test_a_folder_that_turns_read_only_refuses_and_goes_on_once_it_is_writable(tmp_path, configured, caplog):
    files = FailingFiles()
    run = live(tmp_path, configured, files=files)
    assert run.push(*events(0, 5)) == 202
    files.failing = range(1, 1 << 62)
    assert [run.push(*events(5, 5)), run.push(*events(10, 5))] == [507, 507]
    assert not run.keeper.save()
    assert run.push_intake.counts.rejected["not_stored"] == 10
    assert [record.message for record in caplog.records].count("cannot write the journal") == 1
    assert run.state()["queries"] == 5
    files.failing = ()
    assert run.push(*events(10, 5)) == 202
    assert run.keeper.save()
    run.kill()
    again = live(tmp_path, configured)
    assert again.state() == run.state()
    assert again.push(*events(5, 5)) == 202
    assert again.state()["queries"] == 15


def test_a_snapshot_that_cannot_be_set_aside_keeps_nothing_from_starting(tmp_path, configured, caplog):
    run = live(tmp_path, configured)
    run.push(*events(0, 5))
    run.keeper.save()
    run.kill()
    newest = max(tmp_path.glob("*.snapshot"))
    newest.write_bytes(b"of another kind")
    files = FailingFiles()

    def rename(path: Path, target: Path) -> None:
        raise OSError(30, "Read-only file system")

    files.rename = rename  # type: ignore[method-assign]
    again = live(tmp_path, configured, files=files)
    assert again.state()["queries"] == 5
    assert "cannot set a snapshot aside" in caplog.text
