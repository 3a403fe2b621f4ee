"""Reading the contexts of a configuration: one that cannot be read is named and counted, and the others go on."""

import logging
import threading
from collections import Counter
from collections.abc import Sequence

import numpy as np

from exporter.anomalies.blocks import READ_REASONS, ReadError
from exporter.anomalies.events import Ranges, read
from exporter.config.anomalies import Context
from exporter.metrics.page import Block

log = logging.getLogger(__name__)
#: before the kind, where a context stands in the label `query` of read errors
PREFIX = "context:"
#: seconds for which live reading leaves out what has just failed: it may be a server that takes its time to refuse
REST_SECONDS = 60.0


class ContextReader:
    """The contexts there are, and what keeps some of them from being read. Two threads read."""

    def __init__(self) -> None:
        self.contexts: tuple[Context, ...] = ()
        self._lock = threading.Lock()
        self._faults: dict[Context, ReadError] = {}
        self._failed_at: dict[Context, float] = {}
        self._errors: Counter[tuple[str, str]] = Counter()

    def configure(self, contexts: Sequence[Context]) -> None:
        """Take the contexts of a configuration; of those that stay, what is known stays."""
        with self._lock:
            self.contexts = tuple(contexts)
            self._faults = {one: fault for one, fault in self._faults.items() if one in self.contexts}

    def read(self, source: Ranges, times: np.ndarray, step: float, now: float | None = None) -> np.ndarray:
        """The context of each time of the grid, str objects (n,), without those that cannot be read.

        now: of live reading, where each round is another attempt; None asks for all of them.
        """
        asked = [one for one in self.contexts if now is None or not self._rests(one, now)]
        failed: dict[Context, ReadError] = {}
        names = read(asked, source, times, step, failed.__setitem__)
        for one in asked if len(times) else ():
            self._note(one, failed.get(one), now)
        return names

    def states(self) -> list[tuple[Context, ReadError | None]]:
        """Each context, and why it could not be read the last time."""
        with self._lock:
            return [(one, self._faults.get(one)) for one in self.contexts]

    def block(self) -> Block:
        """The attempts that failed."""
        block = Block()
        for kind in dict.fromkeys(one.kind for one in self.contexts):
            for reason in READ_REASONS:
                labels = {"query": PREFIX + kind, "reason": reason}
                block.add("anomaly_read_errors_total", self._errors[kind, reason], labels)
        return block

    def _rests(self, context: Context, now: float) -> bool:
        return now - self._failed_at.get(context, -REST_SECONDS) < REST_SECONDS

    def _note(self, context: Context, error: ReadError | None, now: float | None) -> None:
        with self._lock:
            before = self._faults.pop(context, None)
            if error is None:
                return
            self._faults[context] = error
            self._errors[context.kind, error.reason] += 1
            if now is not None:
                self._failed_at[context] = now
        if str(before) != str(error):
            log.warning("a context cannot be read", extra={"context": context.kind, "reason": str(error)})
