"""The exporter's own series, with no Prometheus: its metrics, looked at each minute and kept for a week.

The queries are those of the preset `vedette`, worked out here: the change of a counter since the minute before, per
second or divided by the change of another one. A counter that fell, or was away, gives no point.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from prometheus_client.core import Metric

from exporter.anomalies.blocks import Labels, Points, ReadError, floor, series_id
from exporter.anomalies.presets import VEDETTE
from exporter.config.anomalies import STEP_SECONDS, WEEK, AnomalyQuery, ResolvedQuery
from exporter.formats.native import BROKEN

MODELS = 100
#: points a series, and minutes between two writes to the disk
KEPT_POINTS, SAVE_MINUTES = int(WEEK / STEP_SECONDS), 10


class Ratio(NamedTuple):
    """A query of counters: the rate of the first, divided by that of the second where there is one."""

    counter: str
    divisor: str | None = None
    detector: str | None = None


#: by the name of the query in the preset
QUERIES = {
    "vedette_queries": Ratio("vedette_queries_total"),
    "vedette_flagged": Ratio("vedette_suspicious_queries_total", "vedette_queries_total"),
    "vedette_confidence": Ratio("vedette_detection_score_sum", "vedette_detection_score_count", "confidence"),
    "vedette_latency": Ratio("vedette_inference_duration_seconds_sum", "vedette_inference_duration_seconds_count"),
    "vedette_failures": Ratio("vedette_inference_failures_total", "vedette_inferences_total"),
    "vedette_cost": Ratio("vedette_cost_dollars_total"),
}
#: counters by (name, model, detector); summed over all other labels
Counters = dict[tuple[str, str, str], float]


def queries() -> tuple[AnomalyQuery, ...]:
    """The queries, whose expressions are their names here."""
    return tuple(msgspec.structs.replace(query, expr=query.name) for query in VEDETTE)


class OwnSource:
    """Samples of the program's own metrics. collect: the families of its page. path: where a restart finds them."""

    def __init__(self, collect: Callable[[], Iterable[Metric]], path: Path | None = None) -> None:
        self._collect, self._path = collect, path
        self._lock = threading.Lock()
        self._before: tuple[float, Counters] | None = None
        self._points: dict[str, dict[str, deque[tuple[float, float]]]] = {name: {} for name in QUERIES}
        self._sampled_at = 0.0
        self._unsaved = 0
        if path is not None:
            self._read(path)

    def sample(self, now: float) -> None:
        """Look at the metrics, once in each minute of the clock."""
        time = floor(now, STEP_SECONDS)
        if 0 <= self._sampled_at - time <= STEP_SECONDS:  # this minute, or a clock that is set by seconds
            return
        if time < self._sampled_at or self._before is None:
            self._forget_after(time)
        counters = _counters(self._collect())
        with self._lock:
            if self._before is not None and time - self._before[0] < 1.5 * STEP_SECONDS:
                self._take(time, self._before[1], counters, time - self._before[0])
            self._before, self._sampled_at = (time, counters), time
            self._unsaved += 1
            if self._unsaved >= SAVE_MINUTES:
                self._save()

    def check(self, query: ResolvedQuery, now: float) -> int:
        """How many series there are. Raises ReadError when there are none."""
        count = len(self._points.get(query.expr, {}))
        if not count:
            raise ReadError("no_data", f"{query.name}: no queries have been judged yet")
        return count

    def range(
        self, expr: str, start: float, end: float, step: float, name: str, series: int = 1
    ) -> dict[str, tuple[Labels, Points]]:
        """The points from start to end, by the id of the series; step and series say nothing here."""
        out = {}
        with self._lock:
            for model, known in self._points.get(expr, {}).items():
                rows = np.array([row for row in known if start <= row[0] <= end]).reshape(-1, 2)
                if len(rows):
                    labels = {"model": model}
                    out[series_id(labels)] = (labels, Points(rows[:, 0], rows[:, 1]))
        return out

    def save(self) -> None:
        """Write what is known. Raises nothing: without the disk it goes on in memory."""
        with self._lock:
            self._save()

    def _forget_after(self, time: float) -> None:
        """Points ahead of the clock are of no time that has been: it was set back."""
        with self._lock:
            self._before = None
            for known in self._points.values():
                for rows in known.values():
                    while rows and rows[-1][0] > time:
                        rows.pop()

    def _take(self, time: float, before: Counters, now: Counters, seconds: float) -> None:
        for name, ratio in QUERIES.items():
            for model in sorted({key[1] for key in now if key[0] == ratio.counter})[:MODELS]:
                value = _value(ratio, model, before, now, seconds)
                if value is not None:
                    known = self._points[name].setdefault(model, deque(maxlen=KEPT_POINTS))
                    known.append((time, value))

    def _save(self) -> None:
        self._unsaved = 0
        if self._path is None:
            return
        plain = {name: {model: list(rows) for model, rows in known.items()} for name, known in self._points.items()}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(self._path.name + ".tmp")
            temporary.write_bytes(msgspec.msgpack.encode(plain))
            os.replace(temporary, self._path)

    def _read(self, path: Path) -> None:
        kind = dict[str, dict[str, list[tuple[float, float]]]]
        with contextlib.suppress(OSError, *BROKEN):
            for name, known in msgspec.msgpack.decode(path.read_bytes(), type=kind).items():
                if name in self._points:
                    self._points[name] = {model: deque(rows, maxlen=KEPT_POINTS) for model, rows in known.items()}


def _counters(families: Iterable[Metric]) -> Counters:
    wanted = {name for ratio in QUERIES.values() for name in (ratio.counter, ratio.divisor)}
    found: Counters = {}
    for family in families:
        for sample in family.samples:
            if sample.name in wanted:
                model, detector = sample.labels.get("model", ""), sample.labels.get("detector", "")
                key = (sample.name, model, detector)
                found[key] = found.get(key, 0.0) + sample.value
    return found


def _value(ratio: Ratio, model: str, before: Counters, now: Counters, seconds: float) -> float | None:
    """What the query gives for a model over the time between two looks; None where it gives nothing."""
    detector = ratio.detector or ""
    rise = _rise((ratio.counter, model, detector), before, now)
    if rise is None or ratio.divisor is None:
        return None if rise is None else rise / seconds
    total = _rise((ratio.divisor, model, detector), before, now)
    return rise / total if total else None


def _rise(key: tuple[str, str, str], before: Counters, now: Counters) -> float | None:
    if key not in before or key not in now or now[key] < before[key]:
        return None
    return now[key] - before[key]
