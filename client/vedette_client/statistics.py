"""What became of the records, in numbers."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vedette_client.breaker import State


@dataclass(frozen=True)
class Statistics:
    """Since the client was made, in this process.

    pushed: records given. delivered: taken by the exporter, `duplicates` of them by an earlier try. dropped: by reason.
    left_out: inputs and outputs that had no form to be told in, so that their records went without.
    waiting: records not settled yet, `buffer_bytes` of them encoded. requests: sent, `failures` of them without a
    usable answer. circuit: closed, open or half_open.
    """

    pushed: int
    delivered: int
    duplicates: int
    dropped: Mapping[str, int]
    left_out: Mapping[str, int]
    waiting: int
    buffer_bytes: int
    requests: int
    failures: int
    circuit: State


class Counts:
    """Counters that the client's own threads feed; the host's thread never waits for their lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._delivered = self._duplicates = self._requests = self._failures = 0
        self._dropped: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def deliver(self, records: int, duplicates: int) -> None:
        with self._lock:
            self._delivered += records
            self._duplicates += duplicates

    def drop(self, reason: str, records: int = 1) -> None:
        if records:
            with self._lock:
                self._dropped[reason] += records

    def leave_out(self, part: str) -> None:
        with self._lock:
            self._left_out[part] += 1

    def request(self, failed: bool) -> None:
        with self._lock:
            self._requests += 1
            self._failures += failed

    def dropped(self) -> Mapping[str, int]:
        with self._lock:
            return MappingProxyType(dict(self._dropped))

    def read(
        self, pushed: int, waiting: int, buffer_bytes: int, circuit: State, also_dropped: Mapping[str, int]
    ) -> Statistics:
        more = {reason: records for reason, records in also_dropped.items() if records}
        dropped = MappingProxyType({**self.dropped(), **more})
        with self._lock:
            return Statistics(
                pushed=pushed,
                delivered=self._delivered,
                duplicates=self._duplicates,
                dropped=dropped,
                left_out=MappingProxyType(dict(self._left_out)),
                waiting=waiting,
                buffer_bytes=buffer_bytes,
                requests=self._requests,
                failures=self._failures,
                circuit=circuit,
            )
