"""The anomalies that were found or reported: the newest of them in memory and in a file, which a restart reads again.

The file holds one JSON object a line; of the lines with one id, the last one counts. It is written anew when it has
become twice as long as what it says.
"""

import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from exporter.anomalies.anomaly import Anomaly
from exporter.formats.native import BROKEN

log = logging.getLogger(__name__)
#: how many are kept, the newest; those from elsewhere take up to a quarter: who reports displaces none that was found
KEPT, REPORTED_SHARE = 20_000, 0.25


class Span(NamedTuple):
    """A time from which nothing is learned, both ends included."""

    start: float
    end: float


class AnomalyLog:
    """All that is known. path: of the file; None keeps it in memory. on_change: told of each new or changed record."""

    def __init__(
        self, path: Path | None = None, kept: int = KEPT, on_change: Callable[[Anomaly], None] | None = None
    ) -> None:
        self._path, self._kept, self.on_change = path, kept, on_change
        self._lock = threading.Lock()
        self._by_id: dict[str, Anomaly] = {}
        #: the ids of those that were found elsewhere, the oldest first
        self._reported: dict[str, None] = {}
        self._lines = 0
        #: whether the file ends in the middle of a line
        self._is_torn = False
        self.failures = 0
        if path is not None:
            self._read(path)

    def put(self, anomaly: Anomaly) -> None:
        """Record it, or what has changed of it. A disk that takes nothing is counted and logged; memory goes on."""
        with self._lock:
            self._keep(anomaly)
        if self.on_change is not None:
            self.on_change(anomaly)

    def _keep(self, anomaly: Anomaly) -> None:
        _keep_verdict(anomaly, self._by_id.get(anomaly.id))
        self._by_id[anomaly.id] = anomaly
        if anomaly.source == "reported":
            self._reported[anomaly.id] = None
        self._forget_old()
        self._write(anomaly)

    def _forget_old(self) -> None:
        while len(self._reported) > REPORTED_SHARE * self._kept:
            self._forget(next(iter(self._reported)))
        while len(self._by_id) > self._kept:
            self._forget(next(iter(self._by_id)))

    def _forget(self, identifier: str) -> None:
        del self._by_id[identifier]
        self._reported.pop(identifier, None)

    def get(self, identifier: str) -> Anomaly | None:
        """The one with this id."""
        with self._lock:
            return self._by_id.get(identifier)

    def confirm(self, identifier: str, confirmed: bool, by: str | None, now: float) -> Anomaly | None:
        """Note what people said of it; None when there is none with this id."""
        with self._lock:  # it may end meanwhile
            found = self._by_id.get(identifier)
            if found is None:
                return None
            said = msgspec.structs.replace(found, confirmed=confirmed, confirmed_by=by, confirmed_at=now)
            self._keep(said)
        if self.on_change is not None:
            self.on_change(said)
        return said

    def lasting(self, metric: str | None = None) -> list[Anomaly]:
        """The incidents that have not ended, or whose points are still odd, of one query or of all."""
        lasting = [one for one in self.newest_first() if one.ended_at is None or one.dismissed]
        return [one for one in lasting if metric in (None, one.metric)]

    def newest_first(self) -> list[Anomaly]:
        """All, those that began last first."""
        with self._lock:
            known = list(self._by_id.values())
        return sorted(known, key=lambda anomaly: (-anomaly.time, anomaly.id))

    def not_normal(self, metric: str, series: str) -> list[Span]:
        """When the series was not normal, as people confirmed."""
        return [
            Span(one.time, one.worst_at if one.ended_at is None else one.ended_at)
            for one in self._of(metric)
            if one.series == series and one.confirmed is True
        ]

    def incidents(self, metric: str, since: float) -> int:
        """Incidents that people were told of, since then."""
        return sum(one.live and one.source == "found" and one.time >= since for one in self._of(metric))

    def verdicts(self, metric: str | None = None) -> Counter[bool]:
        """How often people said yes and no to what was found, for one query or for all."""
        known = self.newest_first() if metric is None else list(self._of(metric))
        return Counter(one.confirmed for one in known if one.source == "found" and one.confirmed is not None)

    def verdicts_by_component(self) -> dict[str, Counter[bool]]:
        """The same by the component that said most."""
        counts: dict[str, Counter[bool]] = {}
        for one in self.newest_first():
            shares = one.explanation.get("shares")
            if shares and one.confirmed is not None:
                counts.setdefault(max(shares, key=shares.__getitem__), Counter())[one.confirmed] += 1
        return counts

    def _of(self, metric: str) -> Iterator[Anomaly]:
        with self._lock:
            known = list(self._by_id.values())
        return (one for one in known if one.metric == metric)

    def _read(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            for line in file:
                try:
                    found = msgspec.json.decode(line, type=Anomaly)
                except BROKEN:  # a line that a crash has cut off
                    continue
                finally:
                    self._is_torn = not line.endswith(b"\n")
                self._by_id[found.id] = found
                self._lines += 1
        self._reported = {one.id: None for one in self._by_id.values() if one.source == "reported"}
        self._forget_old()

    def _write(self, anomaly: Anomaly) -> None:
        if self._path is None:
            return
        try:
            self._lines += 1
            if self._lines > 2 * self._kept:
                self._write_anew(self._path)
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab") as file:
                    file.write(b"\n" * self._is_torn + msgspec.json.encode(anomaly) + b"\n")
            self._is_torn = False
        except OSError as error:
            self._is_torn = True
            self.failures += 1
            log.error("an anomaly was not written", extra={"reason": error.strerror})

    def _write_anew(self, path: Path) -> None:
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            file.writelines(msgspec.json.encode(one) + b"\n" for one in self._by_id.values())
        os.replace(temporary, path)
        self._lines = len(self._by_id)


def _keep_verdict(anomaly: Anomaly, known: Anomaly | None) -> None:
    """What people said while the incident lasted still holds when more is known of it."""
    if known is None:
        return
    # a restart finds once more what people were told of before
    anomaly.live = anomaly.live or (known.live and known.source == "found")
    if known.confirmed_at is not None and (anomaly.confirmed_at is None or known.confirmed_at > anomaly.confirmed_at):
        anomaly.confirmed, anomaly.confirmed_by = known.confirmed, known.confirmed_by
        anomaly.confirmed_at = known.confirmed_at
