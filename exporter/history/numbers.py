"""Keys of rows: they grow with the time, and two writers of one database do not meet."""

import random
import threading
import time
from collections.abc import Callable


class Numbers:
    """Gives keys, to any thread. clock: seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._writer, self._last = random.getrandbits(10), 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """Microseconds, or one more than before, with ten random bits of the writer: below 2^63."""
        with self._lock:
            self._last = max(int(self.clock() * 1e6), self._last + 1)
            return self._last << 10 | self._writer
