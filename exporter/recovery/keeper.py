"""What survives a restart, kept: snapshots now and then, and at the start the newest of them and what came after it.

State = snapshot + the records of the journal behind it. The counts go on where that is proven to give what was counted
before: the same program, the same configuration, no record missing; else all begin at 0 together.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exporter import record
from exporter.config import Config
from exporter.delivery import Delivery
from exporter.history.recorder import Recorder
from exporter.memory import give_back
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.recovery.remembered import DamagedIds, Remembered, named
from exporter.recovery.windows import References, Windows
from exporter.sources.drop.positions import Position
from exporter.sources.duplicates import Duplicates
from exporter.storage.files import Files
from exporter.storage.journal import Journal, JournalGap
from exporter.storage.rows import DamagedRows
from exporter.storage.snapshot import KEPT, Snapshots
from exporter.version import VERSION

log = logging.getLogger(__name__)

#: the only source with positions: the drop directory
DROP = "drop"


class Needed(NamedTuple):
    """The names of the files that a snapshot needs: those of its windows, and those of ids."""

    rows: frozenset[str]
    ids: frozenset[str]

    @classmethod
    def by(cls, state: Mapping[str, Any]) -> "Needed":
        """What the snapshot of this state needs."""
        return cls(frozenset(reference["file"] for reference in state["rows"].values()), named(state["duplicates"]))

    def and_also(self, other: "Needed") -> "Needed":
        """What both need."""
        return Needed(self.rows | other.rows, self.ids | other.ids)


class Keeper:
    """Recovers once, then saves every `interval` seconds until stopped.

    kept: of the judged positions of files, those that a restart still needs.
    answered: told the answers of replayed queries, for senders who did not get theirs.
    history: its minutes that are not written yet are kept too.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        pipeline: Pipeline,
        duplicates: Duplicates,
        journal: Journal,
        kept: Callable[[Iterable[Position]], list[Position]] = list,
        answered: Callable[[Delivery, Any], None] = lambda delivery, outcomes: None,
        clock: Callable[[], float] = time.time,
        files: Files | None = None,
        history: Recorder | None = None,
    ) -> None:
        self.config, self._history = config, history
        self._pipeline, self._duplicates, self._journal = pipeline, duplicates, journal
        self._kept, self._answered, self._clock = kept, answered, clock
        self._folder = folder
        self._snapshots, self._windows = Snapshots(folder, files), Windows(folder, files)
        self._remembered = Remembered(folder, duplicates, files)
        #: by number, what the snapshots need that are there, as far as it is known
        self._needed: dict[int, Needed] = {}
        self._saving = threading.Lock()
        #: held by the thread that brings back what was, for as long as it does
        self._bringing_back = threading.Lock()
        #: set once it is to end
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None
        #: since when the counts go on without a gap, seconds since 1970
        self.epoch = clock()
        #: until the state is back
        self.recovering = True
        self.replayed = 0
        #: when the last snapshot was written, before that the start: one that can write none is told of too
        self.saved_at = self.epoch
        #: what it took; None before the first
        self.seconds: float | None = None
        self.failures = 0

    @property
    def set_aside(self) -> int:
        """Snapshots that could not be used."""
        return self._snapshots.set_aside

    # -- at the start

    def recover(self) -> list[Position]:
        """Bring back what was, before the pipeline starts; how far the files of the drop directory are taken.

        A `stop` meanwhile ends it between two records: `recovering` stays true then, and nothing was changed.
        """
        with self._bringing_back:
            number, proven = self._load()
            proven = self._replay(number) and proven
            if self.stopping.is_set():
                log.info("stopped during the replay: the next start begins it anew", extra={"replayed": self.replayed})
                return []
            return self._go_on(proven)

    def _go_on(self, proven: bool) -> list[Position]:
        if not proven:
            self.epoch = self._clock()
            self._pipeline.models.count_anew()
            self._pipeline.samples.custom.count_anew()
        self._pipeline.models.observe_anew()
        self.recovering = False
        self.save()  # so that there always is one, and it is of this program and configuration
        return list(self._pipeline.positions.values())

    def _load(self) -> tuple[int, bool]:
        """The record up to which the newest good snapshot goes, and whether its counts may go on.

        The one before, with what came after it, is better than one whose windows cannot be read; that is better than
        none.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for whole in (True, False):
            for number, state in self._snapshots.load():
                try:
                    return number, self._restore(number, state, whole)
                except (DamagedRows, DamagedIds, OSError) as error:
                    log.warning("windows or ids of a snapshot cannot be read", extra={"reason": str(error)})
                except Exception as error:  # checked by its checksum, so it is of another kind
                    log.warning("a snapshot cannot be taken over", extra={"reason": f"{type(error).__name__}: {error}"})
                    self._snapshots.reject(number)
                self._pipeline.watch(Models(self.config))  # with nothing of what was half taken over
        self._needed = {}
        self._load_minutes(())
        return 0, True

    def _restore(self, number: int, state: Mapping[str, Any], whole: bool) -> bool:
        """Take a state over; whether its counts may go on. Raises what kept windows from being read if `whole`."""
        proven = bool(state["judging"] == judging_digest(self.config))
        self._remembered.load(state["duplicates"], whole)
        rows: References = state["rows"]
        self._needed = {number: Needed.by(state)}
        proven &= self._pipeline.models.load(state["models"], self._windows.read(rows))
        self._pipeline.samples.custom.load(state.get("custom", ()))
        self._pipeline.samples.custom.once.load(state.get("custom_ids", ((), ())))
        self._pipeline.samples.reports.load(state.get("reports", ()))
        self._load_minutes(state.get("minutes", ()))
        if whole and self._windows.damage is not None:
            raise self._windows.damage
        self._pipeline.positions = {
            (source, stream): _position(position) for source, stream, position in state["positions"]
        }
        self._pipeline.judged = number
        if proven:
            self.epoch = state["epoch"]
        return proven

    def _load_minutes(self, minutes: Sequence[Any]) -> None:
        if self._history is not None:
            self._history.load(minutes)

    def _replay(self, after: int) -> bool:
        """Judge what the journal holds behind a record; whether nothing is missing."""
        is_whole = self._journal.last_number >= after  # else what came behind it is lost as well
        try:
            for number, written in self._journal.replay(after):
                if self.stopping.is_set():
                    break
                self._judge_again(number, written)
        except JournalGap as gap:
            log.error("the journal has a gap: what was in it is lost", extra={"reason": str(gap)})
            return False
        return is_whole

    def _judge_again(self, number: int, written: bytes) -> None:
        try:
            delivery = record.decode(written)
        except ValueError as error:
            log.error("a record of the journal cannot be read", extra={"record": number, "reason": str(error)})
            return
        delivery.number, delivery.position = number, delivery.position and _position(delivery.position)
        with self._duplicates.lock:
            found = self._duplicates.sort_out(delivery.queries, delivery.sender)
            self._duplicates.remember(found.entries, delivery.received)
        if delivery.explain:
            delivery.done = lambda outcomes: self._answered(delivery, outcomes)
        self._pipeline.judge([delivery])
        self.replayed += len(delivery.queries)

    # -- from then on

    def start(self, interval: float) -> None:
        """Save now and then, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, args=(interval,), name="snapshot", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Save a last time, once nothing more is judged. False when that before is not done in time, or this fails.

        What did not come back, or not yet, is not saved: the folder has it better.
        """
        self.stopping.set()
        if not self._bringing_back.acquire(timeout=timeout):
            return False
        self._bringing_back.release()
        if self.recovering:
            return True
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        return self.save()

    def _run(self, interval: float) -> None:
        while not self.stopping.wait(interval):
            self.save()
            give_back()  # what the copies took

    def save(self) -> bool:
        """Write a snapshot and let go of what the journal holds from before the one that is kept besides it."""
        with self._saving:
            begun = time.monotonic()
            try:
                self._windows.catch_up(lambda: self._pipeline.models, partial(self._pipeline.between, weighed=False))
                number, state = self._pipeline.between(self._state)
                state["rows"] = self._windows.finish(state["rows"])
                self._windows.sync()
                state["duplicates"] = self._remembered.write(state["duplicates"])
                state["minutes"] = state["minutes"]()
                self._write(number, state)
            except OSError as error:
                self.failures += 1
                log.error("no snapshot was written", extra={"reason": error.strerror or str(error)})
                return False
            self.seconds, self.saved_at = time.monotonic() - begun, self._clock()
            return True

    def _write(self, number: int, state: Mapping[str, Any]) -> None:
        """Write the snapshot, and let go of what no snapshot needs. Raises OSError; it may be there all the same."""
        self._forget_needs()
        needed, before = Needed.by(state), self._needed.get(number)
        self._needed[number] = needed if before is None else needed.and_also(before)
        self._journal.forget(self._snapshots.save(number, state, kept=1 if self._is_stuck(number) else KEPT))
        self._needed[number] = needed  # where no query came in between, it took the place of the one before
        if self._forget_needs():
            self._windows.remove_others(frozenset().union(*(needed.rows for needed in self._needed.values())))
            self._remembered.remove_others(frozenset().union(*(needed.ids for needed in self._needed.values())))

    def _is_stuck(self, number: int) -> bool:
        """Whether the journal refuses what comes, and would for ever: it has to go back to a snapshot that stays."""
        is_stuck = self._journal.is_full and number in self._snapshots.numbers()
        if is_stuck:
            log.warning("the journal is full and nothing came since the last snapshot: the one before is let go")
        return is_stuck

    def _forget_needs(self) -> bool:
        """Keep in mind what the snapshots need that are there; whether it is known of each of them."""
        there = self._snapshots.numbers()
        self._needed = {number: needed for number, needed in self._needed.items() if number in there}
        return len(self._needed) == len(there)  # one from before the start was not read

    def _state(self) -> tuple[int, dict[str, Any]]:
        """Everything, as it is between two batches."""
        pipeline = self._pipeline
        with self._duplicates.lock:
            waiting = [delivery.entries for delivery in pipeline.unjudged()]
            duplicates = self._remembered.copy(waiting)
        kept = self._kept(pipeline.positions.values())
        pipeline.positions = {(DROP, position.stream): position for position in kept}
        return pipeline.judged, {
            "judging": judging_digest(self.config),
            "epoch": self.epoch,
            "duplicates": duplicates,
            "rows": self._windows.rest(pipeline.models),
            "models": pipeline.models.dump(),
            "custom": pipeline.samples.custom.dump(),
            "custom_ids": pipeline.samples.custom.once.dump(),
            "reports": pipeline.samples.reports.dump(),
            "minutes": self._history.copy() if self._history is not None else list,
            "positions": [[*place, position] for place, position in pipeline.positions.items()],
        }


def _position(plain: Any) -> Position:
    return msgspec.convert(plain, Position)


def judging_digest(config: Config) -> str:
    """What decides how queries are counted: counts go on only while it stays the same."""
    return sha256(msgspec.json.encode((VERSION, config.defaults, config.models, config.limits.models))).hexdigest()
