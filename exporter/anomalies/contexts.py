"""Reading the contexts of a configuration: one that cannot be read is named and counted, and the others go on."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from exporter.anomalies.blocks import READ_REASONS, ReadError
from exporter.anomalies.events import Ranges, read
from exporter.anomalies.series import ORDINARY
from exporter.config.anomalies import Context
from exporter.metrics.page import Block

log = logging.getLogger(__name__)
#: before the kind, where a context stands in the label `query` of read errors
PREFIX = "context:"
#: for so many times as long as it took to fail, live reading leaves a context out: a server that times out is not
#: waited for with each query, and one that was away for a moment is asked with the next
RESTS = 2.0


class ContextReader:
    """The contexts there are, and what keeps some of them from being read. Two threads read.

    timer: seconds that only grow, to see how long a failing took.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self.contexts: tuple[Context, ...] = ()
        self._lock = threading.Lock()
        self._faults: dict[Context, ReadError] = {}
        self._rests_until: dict[Context, float] = {}
        self._errors: Counter[tuple[str, str]] = Counter()

    def configure(self, contexts: Sequence[Context]) -> None:
        """Take the contexts of a configuration; of those that stay, what is known stays."""
        with self._lock:
            self.contexts = tuple(contexts)
            self._rests_until = {one: until for one, until in self._rests_until.items() if one in self.contexts}
            self._faults = {one: fault for one, fault in self._faults.items() if one in self.contexts}

    def read(self, source: Ranges, times: np.ndarray, step: float, now: float | None = None) -> np.ndarray:
        """The context of each time of the grid, str objects (n,), without those that cannot be read.

        now: of live reading, where each round is another attempt; None asks for all of them.
        """
        names = np.full(len(times), ORDINARY, dtype=object)
        for one in reversed(self.contexts) if len(times) else ():
            if now is None or now >= self._rests_until.get(one, now):
                found = self._read(one, source, times, step, now)
                names = np.where(found == ORDINARY, names, found)
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

    def _read(self, context: Context, source: Ranges, times: np.ndarray, step: float, now: float | None) -> np.ndarray:
        began = self._timer()
        try:
            names = read([context], source, times, step)
        except ReadError as error:
            if now is not None:
                self._rests_until[context] = now + RESTS * (self._timer() - began)
            self._failed(context, error)
            return np.full(len(times), ORDINARY, dtype=object)
        with self._lock:
            self._faults.pop(context, None)
        return names

    def _failed(self, context: Context, error: ReadError) -> None:
        with self._lock:
            before, self._faults[context] = self._faults.get(context), error
            self._errors[context.kind, error.reason] += 1
        if str(before) != str(error):
            log.warning("a context cannot be read", extra={"context": context.kind, "reason": str(error)})
