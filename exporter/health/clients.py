"""Which clients ask most and cost most, within bounds: for dashboards, never for alerts.

Misra and Gries' summary (1982): at most `CAPACITY` clients are kept after each cut, and what is kept of one is too
low by at most 1 / CAPACITY of the whole. Two generations of an hour each: the sums are of the last one to two hours.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import nlargest

CAPACITY, SHOWN = 500, 10
GENERATION_SECONDS = 3_600.0


class Heaviest:
    """The clients with the largest sums."""

    __slots__ = ("_begun", "_generations")

    def __init__(self) -> None:
        self._generations: tuple[dict[str, float], dict[str, float]] = ({}, {})
        self._begun = 0.0

    def add(self, amounts: Mapping[str, float] | Iterable[tuple[str, float]], now: float) -> None:
        """Add to the sums of clients. now: seconds since 1970."""
        if now - self._begun >= GENERATION_SECONDS:
            self._generations, self._begun = ({}, self._generations[0]), now
        sums = self._generations[0]
        for client, amount in amounts.items() if isinstance(amounts, Mapping) else amounts:
            sums[client] = sums.get(client, 0.0) + amount
        if len(sums) > 2 * CAPACITY:
            self._cut(sums)

    @staticmethod
    def _cut(sums: dict[str, float]) -> None:
        """Take the largest sum that must go off all of them, so that nobody gains by being let in late."""
        least = nlargest(CAPACITY + 1, sums.values())[-1]
        kept = {client: amount - least for client, amount in sums.items() if amount > least}
        sums.clear()
        sums.update(kept)

    def top(self, now: float) -> list[tuple[str, float]]:
        """The largest that are not too old by now, largest first."""
        if not any(self._generations):
            return []
        generations = int(max(now - self._begun, 0.0) // GENERATION_SECONDS)
        sums: Counter[str] = Counter()
        for generation in self._generations[: max(2 - generations, 0)]:
            sums.update(generation)
        return [(client, amount) for client, amount in sums.most_common(SHOWN) if amount > 0]
