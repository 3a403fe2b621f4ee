"""Where the host's threads leave records: a bounded deque, without a lock."""

import itertools
import threading
from collections import deque
from typing import Any

Record = tuple[str, dict[str, Any]]


class Tally:
    """A counter for many threads without a lock: `next` of a C iterator is one step. Reading it takes one number."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._reads = 0
        self._reading = threading.Lock()
        self.add = self._numbers.__next__

    def value(self) -> int:
        """How often `add` was called."""
        with self._reading:
            self._reads += 1
            return next(self._numbers) - (self._reads - 1)


class Intake:
    """The way from the host's threads to the client's own. Full, it takes no more until there is room again."""

    def __init__(self, most: int, wake_at: int) -> None:
        self._most, self._wake_at = most, wake_at
        self._waiting: deque[Record] = deque()
        self.wake = threading.Event()
        self.given, self.full = Tally(), Tally()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, kind: str, fields: dict[str, Any]) -> bool:
        """Leave a record; False where it is full."""
        self.given.add()
        waiting = self._waiting
        if len(waiting) >= self._most:
            self.full.add()
            return False
        waiting.append((kind, fields))
        if len(waiting) >= self._wake_at and not self.wake.is_set():
            self.wake.set()
        return True

    def take(self, most: int) -> list[Record]:
        """The next records, in order."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(len(waiting), most))]
