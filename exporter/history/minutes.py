"""One-minute roll-ups of each model, added up in memory until they are taken to the database."""

import threading
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any

from exporter.formats.inference import Resources
from exporter.history.rows import RollUp
from exporter.history.sketch import Sketch

SECONDS = 60
#: latencies that wait to be put into the sketch together
FOLD = 4_096
RESOURCES = ("gpu_memory", "cpu_usage", "memory_usage")
TOKENS = ("tokens_input", "tokens_output")


class Sums:
    """What came of one model, or of several, in some time."""

    __slots__ = ("cost_dollars", "errors", "flagged", "queries", "resources", "sketch", "sum", *TOKENS)

    def __init__(self) -> None:
        self.queries = self.flagged = self.errors = 0
        #: of the latencies, in seconds
        self.sketch, self.sum = Sketch(), 0.0
        self.tokens_input = self.tokens_output = 0
        self.cost_dollars = 0.0
        #: of each resource the sum and how many it is of
        self.resources: dict[str, tuple[float, int]] = {}

    def add(self, row: RollUp) -> None:
        """Add what a row says."""
        self.sketch.merge(Sketch.unpack(row.latencies))
        self.sum += row.latency_sum
        for name in ("queries", "flagged", "errors", *TOKENS, "cost_dollars"):
            setattr(self, name, getattr(self, name) + getattr(row, name))
        for name in RESOURCES:
            if added := getattr(row, f"{name}_count"):
                self.use(name, getattr(row, f"{name}_sum"), added)

    def use(self, resource: str, total: float, count: int = 1) -> None:
        """Add the use of a resource."""
        before, known = self.resources.get(resource, (0.0, 0))
        self.resources[resource] = before + total, known + count


class _Minute(Sums):
    """What is known of one model in one minute and not taken yet."""

    __slots__ = ("latencies",)

    def __init__(self) -> None:
        super().__init__()
        #: those that are not in the sketch yet
        self.latencies: list[float] = []

    def copy(self) -> "_Minute":
        """The same, which later counts do not change."""
        other = copy(self)
        other.latencies, other.resources = list(self.latencies), dict(self.resources)
        other.sketch = copy(self.sketch)
        other.sketch.buckets = self.sketch.buckets.copy()
        return other

    def fold(self) -> None:
        """Put the latencies into the sketch: many at once are cheaper, and their list stays short."""
        self.sketch.extend(self.latencies)
        self.sum += sum(self.latencies)
        self.latencies = []


class Minutes:
    """Counts from any thread. What was taken and what comes later of the same minute are rows that add up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], _Minute] = {}

    def count(
        self,
        model: str,
        time: float,
        queries: int,
        flagged: int = 0,
        errors: int = 0,
        latencies: Sequence[float] = (),
        tokens: tuple[int, int] = (0, 0),
        cost_dollars: float = 0.0,
    ) -> None:
        """Queries of one model at one time. latencies: seconds, of those that say it; tokens: input and output."""
        with self._lock:
            minute = self._minute(model, time)
            minute.queries += queries
            minute.flagged += flagged
            if latencies:
                minute.latencies += latencies
                if len(minute.latencies) >= FOLD:
                    minute.fold()
            minute.errors += errors
            minute.cost_dollars += cost_dollars
            minute.tokens_input += tokens[0]
            minute.tokens_output += tokens[1]

    def use(self, model: str, time: float, used: Sequence[Resources]) -> None:
        """What inferences used."""
        for name in RESOURCES:
            shares = [share for one in used if (share := getattr(one, name)) is not None]
            if shares:
                with self._lock:
                    self._minute(model, time).use(name, sum(shares), len(shares))

    def _minute(self, model: str, time: float) -> _Minute:
        key = model, int(time // SECONDS)
        minute = self._open.get(key)
        if minute is None:
            minute = self._open[key] = _Minute()
        return minute

    def take(self, before: float | None = None) -> list[RollUp]:
        """The minutes that ended before a time, or all; they begin anew."""
        with self._lock:
            over = [key for key in self._open if before is None or (key[1] + 1) * SECONDS <= before]
            taken = [(key, self._open.pop(key)) for key in over]
        return [_rolled_up(model, minute * SECONDS, counts) for (model, minute), counts in taken]

    def copy(self) -> Callable[[], list[RollUp]]:
        """What was not taken yet: a copy, and what makes rows of it, which takes longer."""
        with self._lock:
            copied = [(key, counts.copy()) for key, counts in self._open.items()]
        return lambda: [_rolled_up(model, minute * SECONDS, counts) for (model, minute), counts in copied]

    def add(self, rows: Iterable[RollUp]) -> None:
        """Add what an earlier process had not taken."""
        with self._lock:
            for row in rows:
                self._minute(row.model, row.time).add(row)


def _rolled_up(model: str, time: float, minute: _Minute) -> RollUp:
    minute.fold()
    return RollUp(
        time=time,
        model=model,
        queries=minute.queries,
        flagged=minute.flagged,
        errors=minute.errors,
        latency_count=minute.sketch.buckets.total(),
        latency_sum=minute.sum,
        latencies=minute.sketch.pack(),
        tokens_input=minute.tokens_input,
        tokens_output=minute.tokens_output,
        cost_dollars=minute.cost_dollars,
        **_resources(minute.resources),
    )


def _resources(used: dict[str, tuple[float, int]]) -> dict[str, Any]:
    sums = {f"{name}_sum": total for name, (total, _) in used.items()}
    return sums | {f"{name}_count": count for name, (_, count) in used.items()}
