"""What survives a restart."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from exporter.config import Config, DetectorConfig, Limits
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.recovery.keeper import Keeper
from exporter.sources.drop.queries import DropQueries
from exporter.sources.duplicates import Duplicates
from exporter.sources.push import PushIntake
from exporter.storage.journal import Journal
from exporter.storage.snapshot import Snapshots
from tests.exporter.conftest import UNSURE

DETECTORS = (
    DetectorConfig(name="confidence", options={"threshold": 0.5}),
    DetectorConfig(name="text_repetition", options={"threshold": 3}),
    DetectorConfig(name="text_similarity"),
)


@dataclass
class Run:
    """One life of the service, without HTTP; what is taken is judged at once."""

    pipeline: Pipeline
    journal: Journal
    ledger: Ledger
    keeper: Keeper
    push_intake: PushIntake
    drop: DropQueries

    def push(self, *events: dict) -> int:
        answer = self.push_intake.push(b"\n".join(map(msgspec.json.encode, events)))
        self.judge()
        return answer.result().status

    def judge(self) -> None:
        """Judge what waits, as the judging thread would."""
        waiting = self.pipeline.unjudged()
        for delivery in waiting:
            self.pipeline.withdraw(delivery)
            self.pipeline.judge([delivery])

    def read(self, chunks: int) -> None:
        """Read so many chunks of the drop directory, each judged before the next."""
        for _ in range(chunks):
            delivery = self.drop.poll()
            if delivery is not None:
                self.ledger.take(delivery)
                self.judge()
        self.drop.close()

    def state(self) -> dict:
        """Counts, windows and what the detectors say of themselves."""
        model = self.pipeline.models.of(None)
        return {
            **{name: getattr(model, name) for name in ("queries", "suspicious", "without_client", "ids_reused")},
            "tallies": [
                (tally.judgements, tally.flags, dict(tally.skipped), repr(tally.detector.get_state()))
                for tally in model.tallies
            ],
        }

    def kill(self) -> None:
        """End without a snapshot."""
        self.journal.stop()


def live(folder: Path, config: Config, clock=lambda: 1000.0, drop: Path | None = None) -> Run:
    pipeline = Pipeline(Models(config), 10_000, 1 << 30, clock)
    duplicates = Duplicates()
    journal = Journal(folder / "journal", max_bytes=1 << 30, sync=False)
    dropped = DropQueries(str(drop or folder), Limits(), settle_seconds=0.0, clock=clock)
    keeper = Keeper(folder, config, pipeline, duplicates, journal, kept=dropped.kept, clock=clock)
    dropped.seek(keeper.recover())
    ledger = Ledger(pipeline, journal, False)
    return Run(pipeline, journal, ledger, keeper, PushIntake(ledger, duplicates, Limits(), clock), dropped)


@pytest.fixture
def configured(config) -> Config:
    return config(*DETECTORS)


def events(start: int, count: int) -> list[dict]:
    return [{"id": n, "input": f"a text, number {n % 7}", "output": UNSURE} for n in range(start, start + count)]


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


def test_a_disk_that_refuses_the_snapshot_is_counted_and_the_journal_stays(tmp_path, configured, monkeypatch):
    run = live(tmp_path, configured)
    run.push(*events(0, 5))
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(OSError(28, "no space left on the device")))
        assert not run.keeper.save()
    assert run.keeper.failures == 1
    run.kill()
    assert live(tmp_path, configured).state()["queries"] == 5


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
