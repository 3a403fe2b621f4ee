"""Reports of drift that was found elsewhere: the last ones, until the history has had them for sure.

A report is in the journal before it is acknowledged. What waits for the database then is lost with the process, so the
last reports are kept in the snapshot and told again after a restart; each has a key by which the history knows it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from exporter.delivery import Delivery
from exporter.formats.drift import Report

#: reports that are kept: more than half a second brings, as a rule, or a day of an outage of the database
KEPT = 1_000


class DriftReports:
    """The last reports. Used on the judging thread."""

    def __init__(self) -> None:
        #: told of each: the report, when it came (seconds since 1970), and its key
        self.on_report: Callable[[Report, float, int], object] = lambda report, time, key: None
        self._kept: deque[tuple[Report, float, int]] = deque(maxlen=KEPT)
        self._place = (0, 0)

    def count(self, report: Report, delivery: Delivery) -> None:
        """Keep a report, and tell of it."""
        number, place = self._place
        self._place = number, place = delivery.number, place + 1 if number == delivery.number else 0
        named = (report.model_id, report.id) if report.id else (delivery.received, number, place)
        self._kept.append((report, delivery.received, key_of(named)))
        self.on_report(*self._kept[-1])

    def tell_again(self) -> None:
        """Tell of all that are kept: after a restart, and to whom nothing was told before."""
        for kept in self._kept:
            self.on_report(*kept)

    def dump(self) -> list[Any]:
        """All that are kept, as plain values."""
        return [[msgspec.to_builtins(report), time, key] for report, time, key in self._kept]

    def load(self, state: Sequence[Any]) -> None:
        """Go on from a dump."""
        self._kept.extend((msgspec.convert(report, Report), time, key) for report, time, key in state)


def key_of(named: tuple[object, ...]) -> int:
    """A key of 62 bits, the same for the same."""
    return int.from_bytes(blake2b(repr(named).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 2
