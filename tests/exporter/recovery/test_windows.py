"""The rows of windows beside the snapshots, and what is known of clients after the plug was pulled."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from exporter.clients import Suspicion
from exporter.clients.exposition import lines
from exporter.config import Config, DetectorConfig, Model
from exporter.storage import rows as storage_rows
from tests.exporter.recovery.conftest import Run, events, files_of_windows, live

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
    assert len(files_of_windows(run, tmp_path)) == 150
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
    assert len(files_of_windows(run, tmp_path)) == 2


# -- clients


RANDOM = np.random.default_rng(8)
CENTRE = RANDOM.normal(0, 1, 10)
PARTS, PART = 8, 60


def event(number: int) -> dict:
    """After a warm-up: every third query is one of a search that two accounts share, every tenth a repeat."""
    is_search, is_repeat = number > 220 and number % 3 == 0, number % 10 == 0
    row = CENTRE + RANDOM.normal(0, 0.03, 10) if is_search else RANDOM.normal(0, 1, 10)
    client = f"attacker {number % 2}" if is_search else f"user {number % 9}"
    return {
        "id": str(number),
        "model": "m",
        "client": client,
        "input": (CENTRE if is_repeat else row).tolist(),
        "output": [0.9, 0.1] if number % 5 else [0.5, 0.5],
    }


EVENTS = [event(number) for number in range(PARTS * PART)]


@pytest.fixture
def config_of_rows(config: Build) -> Config:
    made = config(DetectorConfig(name="confidence"))
    return msgspec.structs.replace(made, models=(Model(name="m"),))


def suspicion(run: Run) -> Suspicion:
    found = run.pipeline.models.of("m").suspicion
    assert found is not None
    return found


def known(run: Run) -> list:
    """All that is shown of clients, on the page and one by one, but for those that were suspicious a while ago."""
    found = suspicion(run)
    return [
        [line for line in lines(found, 1000.0, str) if line[0] != "client_suspicion_ratio" or line[1]],
        found.read.clients(1000.0),
        found.read.clusters(),
        found.read.suggestions(),
        found.read.window_queries(),
    ]


@pytest.mark.parametrize("snapshots", [(), (1,), (4,), (0, 2, 5), tuple(range(PARTS))])
def test_levels_alarms_and_counts_go_on_after_each_kill(
    tmp_path: Path, config_of_rows: Config, snapshots: tuple[int, ...]
) -> None:
    whole = live(tmp_path / "whole", config_of_rows)
    for part in range(PARTS):
        run = live(tmp_path / "killed", config_of_rows)
        for start in (0, PART // 2):
            pushed = EVENTS[part * PART + start :][: PART // 2]
            assert whole.push(*pushed) == run.push(*pushed) == 202
            if not start and part in snapshots:
                assert run.keeper.save()
        assert known(run) == known(whole)
        run.kill()
    last = live(tmp_path / "killed", config_of_rows)
    assert known(last) == known(whole)
    assert suspicion(last).counts.alarms["variants"] >= 2
    assert suspicion(last).read.level("attacker 1", 1000.0) == "severe"


def test_an_erased_client_is_on_no_disk_once_two_snapshots_were_taken(tmp_path: Path, config_of_rows: Config) -> None:
    run = live(tmp_path, config_of_rows)
    for start in range(0, len(EVENTS), PART):
        run.push(*EVENTS[start : start + PART])
        run.keeper.save()
    assert any(b"attacker 1" in path.read_bytes() for path in tmp_path.glob("*.rows"))
    assert suspicion(run).erase("attacker 1")
    for _ in range(2):
        run.push({"model": "m", "client": "user 1", "input": [0.0] * 10, "output": [0.9, 0.1]})
        run.keeper.save()
    kept = [*tmp_path.glob("*.rows"), *tmp_path.glob("*.snapshot")]
    assert not any(b"attacker 1" in path.read_bytes() for path in kept)
