"""Events during which another normal holds: told over HTTP, or read by an expression that has a value meanwhile."""

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from exporter.anomalies.blocks import Labels, Points, unlearnable
from exporter.anomalies.series import ORDINARY
from exporter.config.anomalies import WEEK, Context
from exporter.formats.native import BROKEN

log = logging.getLogger(__name__)
#: how long an event lasts that nobody gave an end
EVENT_SECONDS = 1800.0
#: events that are kept, the newest; and how long, so that a week can be learned anew
KEPT, KEPT_SECONDS = 10_000, 5 * WEEK


class Event(msgspec.Struct, frozen=True):
    """A time of another normal, both ends included, in seconds since 1970."""

    kind: str
    start: float
    end: float


class Events:
    """The events that were told. path: of the file that a restart reads again; None keeps them in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._events: list[Event] = []
        if path is not None:
            try:
                self._events = kept(path)
            except BROKEN as error:  # a disk that has damaged them keeps nobody from starting
                log.error("the events that were told are lost", extra={"file": str(path), "reason": str(error)})

    def add(self, event: Event) -> None:
        """Take an event. Raises OSError when it cannot be kept."""
        with self._lock:
            recent = [one for one in self._events if one.end > event.end - KEPT_SECONDS]
            self._events = [*recent, event][-KEPT:]
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                temporary = self._path.with_name(self._path.name + ".tmp")
                temporary.write_bytes(msgspec.json.encode(self._events))
                os.replace(temporary, self._path)

    def all(self) -> list[Event]:
        """Those that are kept, in the order in which they were told."""
        with self._lock:
            return list(self._events)


def kept(path: Path) -> list[Event]:
    """What the file holds; nothing where there is none. Raises OSError, and what BROKEN holds."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Event])
    except FileNotFoundError:
        return []


class Ranges(Protocol):
    """What reads points of an expression."""

    def range(
        self, expr: str, start: float, end: float, step: float, name: str, series: int = 1
    ) -> dict[str, tuple[Labels, Points]]:
        """The points from start to end, by series."""


def told(events: Sequence[Event], times: np.ndarray) -> np.ndarray:
    """The context of each time by what was told: str objects (n,), empty for ordinary times; the last event wins."""
    names = np.full(len(times), ORDINARY, dtype=object)
    for event in events:
        names[(times >= event.start) & (times <= event.end)] = event.kind
    return names


def read(contexts: Sequence[Context], source: Ranges, times: np.ndarray, step: float) -> np.ndarray:
    """The context of each time of the grid by expressions; the first one that has a value other than 0 wins.

    Raises ReadError.
    """
    names = np.full(len(times), ORDINARY, dtype=object)
    for context in reversed(contexts) if len(times) else ():
        names[_active(context, source, times, step)] = context.kind
    return names


def _active(context: Context, source: Ranges, times: np.ndarray, step: float) -> np.ndarray:
    """At which times the context holds: bool (n,). Raises ReadError."""
    name = f"context {context.kind}"
    if error := unlearnable(context.expr, name):
        raise error
    holds = np.zeros(len(times), bool)
    for _, points in source.range(context.expr, times[0], times[-1], step, name).values():
        active = points.times[np.isfinite(points.values) & (points.values != 0)]
        holds |= np.isin(times, np.round(active / step) * step)
    return holds
