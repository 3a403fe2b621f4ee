"""What a snapshot costs where there is much evidence to keep: how long judging waits for it, what it writes, the load.

A model with 100,000 queries in its history, of 2,000 clients; of a hundred queries, five are repeats and five search
around one input. Judging waits for what is called between two batches, which is timed call by call; and for no less
than the longest stretch in which another thread encodes and lets nobody else run.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.evidence import pictures, texts
from detectors import Query
from exporter.config_file import load
from exporter.memory import settle
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.recovery.keeper import Keeper
from exporter.sources.duplicates import Duplicates
from exporter.storage.journal import Journal
from soak.pause import BOUND, MIB, NEW, Counting
from soak.report import Report

HISTORY, CLIENTS, PART = 100_000, 2_000, 1_000
CONFIG = "models: [{{name: m, modality: {modality}, detectors: [], clients: {{profile: strict}}}}]"
Maker = Callable[[int, np.random.Generator], list[Any]]
KINDS: dict[str, Maker] = {"image": pictures, "text": texts}


def evidence(modality: str = "image", history: int = HISTORY, rounds: int = 4) -> Report:
    """Fill the evidence of one model, take a snapshot, several more with new queries between them, and load."""
    report = Report(f"snapshot of the evidence on {history} queries: {modality}")
    settle()  # as the exporter does at its start
    with TemporaryDirectory() as name:
        folder, files = Path(name), Counting()
        (folder / "vedette.yml").write_text(CONFIG.format(modality=modality))
        kept = Kept(folder, files)
        traffic = Traffic(KINDS[modality])
        kept.judge(traffic, history)
        saved = [kept.save()]
        for _ in range(rounds):
            kept.judge(traffic, NEW)
            saved.append(kept.save())
        state = kept.state()
        kept.stop()
        begun = time.monotonic()
        again = Kept(folder, files)
        seconds = time.monotonic() - begun
        report.promise(again.state()[:-1] == state[:-1], "what was loaded is not what was kept")
        again.stop()
    for when, (longest, total, written) in enumerate(saved, start=1):
        waits = f"longest wait {longest * 1000:.1f} ms, together {total * 1000:.0f} ms, wrote {written / MIB:.1f} MiB"
        report.figure(f"snapshot {when}", waits)
    report.figure("start on it", f"{seconds:.1f} s")
    report.figure("memory of the evidence", f"{state[-1] / MIB:.0f} MiB")
    worst = max(longest for longest, _, _ in saved)
    report.promise(worst < BOUND, f"judging waited {worst * 1000:.0f} ms for a snapshot, more than {BOUND * 1000:.0f}")
    return report


class Kept:
    """One life of a model on a folder, with every call between two batches timed."""

    def __init__(self, folder: Path, files: Counting) -> None:
        self._files = files
        self._pipeline = Pipeline(Models(load(folder / "vedette.yml")), 1 << 30, 1 << 40)
        self._journal = Journal(folder / "journal", max_bytes=1 << 40)
        self._waits: list[float] = []
        between = self._pipeline.between

        def timed(call: Callable[[], Any], weighed: bool = True) -> Any:
            begun = time.perf_counter()
            result = between(call, weighed)
            self._waits.append(time.perf_counter() - begun)
            return result

        self._pipeline.between = timed  # type: ignore[method-assign]
        config = self._pipeline.models.config
        self._keeper = Keeper(folder, config, self._pipeline, Duplicates(), self._journal, files=files)
        self._keeper.recover()
        self.suspicion = self._pipeline.models.by_label["m"].suspicion
        assert self.suspicion is not None

    def judge(self, traffic: "Traffic", count: int) -> None:
        """Have so many queries judged."""
        assert self.suspicion is not None
        for _ in range(0, count, PART):
            queries, times = traffic.next(PART)
            self.suspicion.observe(queries, times)

    def save(self) -> tuple[float, float, int]:
        """Take a snapshot: the longest wait and all together, in seconds, and bytes written."""
        written = self._files.written
        self._waits.clear()
        assert self._keeper.save()
        return max(self._waits), sum(self._waits), self._files.written - written

    def state(self) -> tuple[Any, ...]:
        """What people read of it."""
        assert self.suspicion is not None
        read, alarms, nbytes = self.suspicion.read, self.suspicion.counts.alarms, self.suspicion.memory.nbytes
        return read.window_queries(), read.levels(0.0), read.clusters()[:50], dict(alarms), nbytes

    def stop(self) -> None:
        """End without another snapshot."""
        self._journal.stop()


class Traffic:
    """Queries of many clients, a hundred a second."""

    def __init__(self, make: Maker) -> None:
        self._make, self._random, self._number = make, np.random.default_rng(3), 0
        self._old: list[Any] = make(20, self._random)

    def next(self, count: int) -> tuple[list[Query], list[float]]:
        """The next ones, with the times at which they came."""
        values = self._make(count, self._random)
        for place in range(0, count, 20):
            values[place] = self._old[self._number // 1000 % len(self._old)]
            values[place + 1] = _changed(self._old[place // 20 % len(self._old)], self._random)
        times = [0.01 * (self._number + place) for place in range(count)]
        clients = self._random.integers(0, CLIENTS, count).tolist()
        self._number += count
        queries = [
            Query(value, [0.9, 0.1], client=f"client {client}", id=str(self._number + place), timestamp=when)
            for place, (value, client, when) in enumerate(zip(values, clients, times, strict=True))
        ]
        return queries, times


def _changed(value: Any, random: np.random.Generator) -> Any:
    """A near variant."""
    if isinstance(value, str):
        words = value.split(" ")
        words[int(random.integers(len(words)))] = f"w{random.integers(1 << 20)}"
        return " ".join(words)
    return np.clip(value + random.integers(-3, 4, value.shape), 0, 255).astype(np.uint8)
