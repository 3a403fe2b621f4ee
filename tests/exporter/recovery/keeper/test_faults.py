"""A restart after every call to the disk has failed in turn."""

import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from exporter.config import Config
from tests.exporter.recovery.conftest import Run, events, live
from tests.exporter.storage.conftest import FailingFiles, PluggedFiles

STEPS = 6


def scenario(run: Run) -> Iterator[list[list[dict]]]:
    """Pushes of several sizes, some sent twice, with snapshots between them; what was acknowledged, after each step."""
    acknowledged: list[list[dict]] = []
    for step in range(STEPS):
        pushed = events(step * 10, 3 + step % 3)
        for _ in range(1 + step % 2):
            if run.push(*pushed) == 202 and pushed not in acknowledged:
                acknowledged.append(pushed)
        if step % 2:
            run.keeper.save()
        yield acknowledged


def in_one_run(folder: Path, config: Config, pushes: list[list[dict]]) -> dict:
    """The state after these pushes and nothing else."""
    run = live(folder, config)
    for pushed in pushes:
        run.push(*pushed)
    run.kill()
    return run.state()


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_whichever_call_fails_the_acknowledged_are_judged_once_and_the_refused_are_not(
    tmp_path, configured, sync, late, caplog
):
    caplog.set_level(logging.CRITICAL)
    for call in count(1):
        folder, files = tmp_path / str(call), FailingFiles(late=late)
        run = live(folder, configured, files=files, sync=sync)
        before = len(files.calls)
        files.failing = {before + call}
        [*_, acknowledged] = scenario(run)
        run.kill()
        truth = in_one_run(tmp_path / f"{call} truth", configured, acknowledged)
        assert run.state() == truth, f"call {call}"
        again = live(folder, configured, sync=sync)
        assert again.state() == truth, f"call {call}, after a restart"
        for step in range(STEPS):  # all are sent again, as clients do
            assert again.push(*events(step * 10, 3 + step % 3)) == 202
        assert again.state()["queries"] == 24
        again.kill()
        if before + call > len(files.calls):
            break
    assert call > 25


@pytest.mark.parametrize("late", [False, True])
def test_whichever_call_fails_at_the_start_the_next_start_brings_everything_back(tmp_path, configured, late, caplog):
    caplog.set_level(logging.CRITICAL)
    for call in count(1):
        folder, files = tmp_path / str(call), FailingFiles([call], late=late)
        run = live(folder, configured)
        [*_, acknowledged] = scenario(run)
        run.kill()
        try:
            live(folder, configured, files=files).kill()
        except OSError:
            assert call < 4  # the lock and the end of the journal: the program says so and ends
        again = live(folder, configured)
        assert again.state() == in_one_run(tmp_path / f"{call} truth", configured, acknowledged), f"call {call}"
        again.kill()
        if call > len(files.calls):
            break
    assert call > 8


class Pulled(PluggedFiles):
    """Files of which every call leaves an image of what a power cut would leave behind it."""

    def __init__(self, folder: Path, images: Path) -> None:
        super().__init__(folder)
        self._images = images
        self.acknowledged: list[list[dict]] = []
        self.images: list[tuple[Path, list[list[dict]]]] = []

    def reach_the_disk(self, descriptor: int) -> None:
        super().reach_the_disk(descriptor)
        image = self._images / str(len(self.calls))
        self.pull_the_plug(image)
        self.images.append((image, list(self.acknowledged)))


def test_a_power_cut_after_any_sync_loses_no_acknowledged_query(tmp_path, configured):
    (tmp_path / "images").mkdir()
    (tmp_path / "state").mkdir()
    files = Pulled(tmp_path / "state", tmp_path / "images")
    run = live(tmp_path / "state", configured, files=files, sync=True)
    for files.acknowledged in scenario(run):
        pass
    run.kill()
    for image, acknowledged in files.images:
        again = live(image, configured)
        judged = again.state()["queries"]
        promised = sum(map(len, acknowledged))
        assert promised <= judged <= promised + 5, image  # those of one push may be on their way
        for pushed in acknowledged:
            again.push(*pushed)
        assert again.state()["queries"] == judged
        again.kill()
    assert len(files.images) > 20
