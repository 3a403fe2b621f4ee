"""What the tests of recovery share: lives of the service on one folder, without HTTP and without threads of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.config import Config, DetectorConfig, Limits
from exporter.delivery import Delivery
from exporter.formats import inference
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.recovery.keeper import Keeper
from exporter.sources.drop.queries import DropQueries
from exporter.sources.duplicates import Duplicates
from exporter.sources.push import PushIntake
from exporter.storage.files import Files
from exporter.storage.journal import Journal
from tests.exporter.conftest import UNSURE

SEGMENT_BYTES = 2000
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
        answer = self.push_intake.push(b"\n".join(map(msgspec.json.encode, events))).result(10)
        self.judge()
        return answer.status

    def measure(self, *samples: dict) -> None:
        """What the intake of samples does with a body that is right."""
        body = msgspec.json.encode(samples)
        self.ledger.take(
            Delivery("inference", (), 1000.0, sender="key", samples=inference.decode(body, Limits())), body
        )
        self.judge()

    def health(self) -> dict:
        """The counts of inferences, and the gauges."""
        health = self.pipeline.models.of("m").health
        return health.dump() | {name: gauge.value(1000.0) for name, gauge in health.gauges.items()}

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
        self.pipeline.models.worker.finish()
        return {
            "drift": msgspec.msgpack.encode(model.drift.dump()),
            **{name: getattr(model, name) for name in ("queries", "suspicious", "without_client", "ids_reused")},
            "tallies": [
                (tally.judgements, tally.flags, dict(tally.skipped), repr(tally.detector.get_state()))
                for tally in model.tallies
            ],
        }

    def kill(self) -> None:
        """End without a snapshot."""
        self.journal.stop()


def live(
    folder: Path,
    config: Config,
    clock: Callable[[], float] = lambda: 1000.0,
    drop: Path | None = None,
    files: Files | None = None,
    sync: bool = False,
) -> Run:
    """A start on this folder, with what was there brought back."""
    run = begin(folder, config, clock, drop, files, sync)
    try:
        run.drop.seek(run.keeper.recover())
    except BaseException:
        run.kill()
        raise
    if sync:
        run.journal.start()
    return run


def begin(
    folder: Path,
    config: Config,
    clock: Callable[[], float] = lambda: 1000.0,
    drop: Path | None = None,
    files: Files | None = None,
    sync: bool = False,
    judging: type[Pipeline] = Pipeline,
) -> Run:
    """A start before the past is back. Segments of the journal are small, so that snapshots let some of them go."""
    pipeline = judging(Models(config), 10_000, 1 << 30, clock)
    duplicates = Duplicates()
    options: Any = {"max_bytes": 1 << 20, "segment_bytes": SEGMENT_BYTES, "interval": 0.0, "files": files}
    journal = Journal(folder / "journal", sync=sync, **options)
    dropped = DropQueries(str(drop or folder), Limits(), settle_seconds=0.0, clock=clock)
    keeper = Keeper(folder, config, pipeline, duplicates, journal, kept=dropped.kept, clock=clock, files=files)
    ledger = Ledger(pipeline, journal, sync)
    return Run(pipeline, journal, ledger, keeper, PushIntake(ledger, duplicates, Limits(), clock), dropped)


def files_of_windows(run: Run, folder: Path) -> list[Path]:
    """The files with the rows of the detectors' windows, not those with what is known of clients."""
    models = run.pipeline.models.by_label.values()
    others = {space for model in models if model.suspicion for space in model.suspicion.row_spaces()}
    return [path for path in folder.glob("*.rows") if path.name.split("-")[0] not in others]


@pytest.fixture
def configured(config: Callable[..., Config]) -> Config:
    return config(*DETECTORS)


def events(start: int, count: int) -> list[dict]:
    return [{"id": n, "input": f"a text, number {n % 7}", "output": UNSURE} for n in range(start, start + count)]
