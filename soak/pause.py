"""What a snapshot costs where there is much to keep: how long judging waits for it, and how much it writes.

100,000 texts in a window of similarity (512 numbers each) and of repetition, a million ids remembered for retries. A
judging thread judges one query after the other; the longest time between two of them, beside that without a snapshot.
"""

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from detectors import Query
from exporter.config_file import load
from exporter.delivery import Delivery
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.recovery.keeper import Keeper
from exporter.sources.duplicates import Duplicates
from exporter.storage.files import Files
from exporter.storage.journal import Journal
from soak.report import Report

WINDOW, IDS, MIB = 100_000, 1_000_000, 1 << 20
#: what may be waited for it, in seconds
BOUND = 0.05
#: queries between two snapshots: a hundred a second for a minute
NEW = 6_000
CONFIG = """
models:
  - name: m
    modality: text
    detectors:
      - repetition: {{max_history_size: {window}}}
      - similarity: {{max_history_size: {window}}}
"""


class Counting(Files):
    """The plain calls, and how many bytes they wrote."""

    written = 0

    def write(self, descriptor: int, content: memoryview) -> int:
        """Counted."""
        done = super().write(descriptor, content)
        self.written += done
        return done

    def write_at(self, descriptor: int, content: memoryview, offset: int) -> int:
        """Counted."""
        done = super().write_at(descriptor, content, offset)
        self.written += done
        return done


def pause(window: int = WINDOW, ids: int = IDS, rounds: int = 5) -> Report:
    """Fill windows and ids, take a snapshot, and then several more with new queries between them."""
    report = Report(f"snapshot of {window} × 512 and {ids} ids")
    with TemporaryDirectory() as name:
        folder, files = Path(name), Counting()
        (folder / "vedette.yml").write_text(CONFIG.format(window=window))
        pipeline, duplicates = Pipeline(Models(load(folder / "vedette.yml")), 1 << 30, 1 << 40), Duplicates()
        journal = Journal(folder / "journal", max_bytes=1 << 40)
        keeper = Keeper(folder, pipeline.models.config, pipeline, duplicates, journal, files=files)
        for delivery in _deliveries(duplicates, 0, ids, ids - window):
            pipeline.judge([delivery])
        judging = Judging(pipeline)
        pipeline.start()
        judging.start()
        first = _save(keeper, files, judging)
        later = []
        for number in range(rounds):
            judging.hand_over(duplicates, ids + number * NEW)
            later.append(_save(keeper, files, judging))
        quiet = judging.longest(3.0)
        judging.stop()
        pipeline.stop(30)
        journal.stop()
    report.figure("longest time between two queries without a snapshot", f"{quiet * 1000:.1f} ms")
    report.figure("the same during the first snapshot", f"{first[0] * 1000:.1f} ms")
    report.figure("during later ones, by each", ", ".join(f"{pause * 1000:.1f}" for pause, _, _ in later) + " ms")
    report.figure("the first wrote", f"{first[1] / MIB:.0f} MiB in {first[2]:.1f} s")
    report.figure(
        f"a later one, after {NEW} queries or more", f"{statistics.median(w for _, w, _ in later) / MIB:.1f} MiB"
    )
    worst = max(pause for pause, _, _ in (first, *later))
    report.promise(worst < BOUND, f"judging waited {worst * 1000:.0f} ms for a snapshot, more than {BOUND * 1000:.0f}")
    return report


def _deliveries(duplicates: Duplicates, first: int, last: int, judged: int) -> Iterator[Delivery]:
    """Texts with ids, a thousand together; of those before `judged` only the ids count."""
    now = time.time()
    for start in range(first, last, 1000):
        queries = [_query(number) for number in range(start, start + 1000)]
        found = duplicates.sort_out(queries, "")
        duplicates.remember(found.entries, now)
        if start >= judged:
            yield Delivery("push", found.fresh, received=now)


def _query(number: int) -> Query:
    return Query(f"what became of the order {number} of {number * 7919 % 99991}?", model="m", id=str(number))


class Judging(threading.Thread):
    """Hands over one query after the other."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(name="handing over")
        self._pipeline = pipeline
        self._stopping = threading.Event()
        self._longest = self._begun = 0.0

    def run(self) -> None:
        judged, last, number = threading.Event(), time.perf_counter(), 10 * IDS
        while not self._stopping.is_set():
            judged.clear()
            self._pipeline.offer(Delivery("push", [_query(number)], time.time(), done=lambda outcomes: judged.set()))
            judged.wait()
            now = time.perf_counter()
            self._longest, last = max(self._longest, now - max(last, self._begun)), now
            number += 1

    def hand_over(self, duplicates: Duplicates, first: int) -> None:
        """Have NEW more queries judged, a thousand together, and their clients."""
        done = threading.Event()
        for delivery in _deliveries(duplicates, first, first + NEW, first):
            self._pipeline.offer(delivery)
        self._pipeline.offer(Delivery("push", [], time.time(), done=lambda outcomes: done.set()))
        done.wait()
        self._pipeline.between(lambda: None)  # what is left of that is not what a snapshot costs

    def begin(self) -> None:
        """Forget the longest time so far."""
        self._longest, self._begun = 0.0, time.perf_counter()

    def longest(self, seconds: float = 0.0) -> float:
        """The longest time between two queries since `begin`, or in the next seconds."""
        if seconds:
            self.begin()
            time.sleep(seconds)
        return self._longest

    def stop(self) -> None:
        """Hand over nothing more."""
        self._stopping.set()
        self.join()


def _save(keeper: Keeper, files: Counting, judging: Judging) -> tuple[float, int, float]:
    """Save: the longest time between two queries meanwhile, bytes written, seconds."""
    written, begun = files.written, time.monotonic()
    judging.begin()
    assert keeper.save()
    return judging.longest(), files.written - written, time.monotonic() - begun
