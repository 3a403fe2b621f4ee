"""What a source counts at its intake."""

import threading
from collections import Counter
from collections.abc import Iterable

#: one for all sources: it is held for a few additions
_LOCK = threading.Lock()


class IntakeCounts:
    """What one source took in since the start. `accepted` includes the duplicates, which are not judged again."""

    def __init__(self) -> None:
        self.accepted = self.duplicates = 0
        self.rejected: Counter[str] = Counter()

    def take(self, accepted: int, duplicates: int = 0, rejected: Iterable[str] = ()) -> None:
        """Count what was taken of a delivery, and why records of it were not. From any thread."""
        with _LOCK:
            self.accepted += accepted
            self.duplicates += duplicates
            self.rejected.update(rejected)

    def refuse(self, code: str, records: int = 1) -> None:
        """Count records, or one body, that were refused. From any thread."""
        with _LOCK:
            self.rejected[code] += records
