"""The rows of windows beside the snapshots."""

import os
from collections.abc import Callable
from pathlib import Path

from exporter.config import Config, DetectorConfig
from exporter.storage import rows as storage_rows
from tests.exporter.recovery.conftest import events, live

Build = Callable[..., Config]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_window_of_many_spaces_takes_no_descriptors_and_comes_back(tmp_path: Path, config: Build) -> None:
    """Senders make them: every set of features is one."""
    configured = config(DetectorConfig(name="tabular_similarity", options={"max_history_size": 1000}))
    run = live(tmp_path, configured)
    run.push(*({"input": {f"feature {number % 150}": number, "other": 1}} for number in range(300)))
    before = descriptors()
    assert run.keeper.save()
    assert len(list(tmp_path.glob("*.rows"))) == 150
    assert descriptors() == before
    run.kill()
    again = live(tmp_path, configured)
    assert again.state() == run.state()
    assert again.pipeline.models.of(None).tallies[0].detector.window_queries() == 300


def test_rows_that_left_the_window_leave_the_disk(tmp_path: Path, config: Build, monkeypatch) -> None:
    monkeypatch.setattr(storage_rows, "SMALL", 0)
    configured = config(DetectorConfig(name="text_similarity", options={"max_history_size": 10}))
    run = live(tmp_path, configured)
    sizes = []
    for part in range(6):
        run.push(*events(part * 7, 7))
        assert run.keeper.save()
        sizes.append(sum(path.stat().st_size for path in tmp_path.glob("*.rows")))
    run.kill()
    assert live(tmp_path, configured).state() == run.state()
    assert max(sizes) <= 60 * 512 * 4  # two snapshots and the file that is written now, each at most twice the window


def test_a_space_that_no_query_is_left_of_loses_its_file_once_no_snapshot_needs_it(
    tmp_path: Path, config: Build
) -> None:
    configured = config(DetectorConfig(name="tabular_similarity", options={"max_history_size": 5}))
    run = live(tmp_path, configured)
    for name in ("a", "b", "c", "d"):
        run.push(*({"input": {name: number}} for number in range(1, 6)))
        assert run.keeper.save()
    assert len(list(tmp_path.glob("*.rows"))) == 2
