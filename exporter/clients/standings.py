"""How all clients of a model stand, in columns: so that a scrape counts and ranks twenty thousand of them at once."""

from collections.abc import Mapping

import numpy as np

from exporter.clients.bits import ALARM_RATIO, HALF_LIFE, LEVELS, SEVERE_RATIO, WATCH_RATIO

#: of a row: when it was so, the largest S / h, and the same as a share of what is severe
LAST, SUSPICION, SEVERE = range(3)


class Standings:
    """By client what it amounted to when it was active last. Rows lie side by side; the last one fills a gap."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._names: list[str] = []
        self._rows = np.zeros((64, 3))

    def __len__(self) -> int:
        return len(self._names)

    def put(self, client: str, families: Mapping[str, float], now: float) -> None:
        """What a client amounts to now. families: S / h."""
        place = self._places.get(client)
        if place is None:
            place = self._places[client] = len(self._names)
            self._names.append(client)
            if place == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        *_, second, largest = sorted(families.values())
        alone = max(ratio for family, ratio in families.items() if family != "repeat")
        self._rows[place] = now, largest, max(second / ALARM_RATIO, alone / SEVERE_RATIO)

    def remove(self, client: str) -> None:
        """Forget a client."""
        place = self._places.pop(client, None)
        if place is None:
            return
        last = self._names.pop()
        if last != client:
            self._names[place], self._places[last] = last, place
            self._rows[place] = self._rows[len(self._names)]

    def suspicion(self, client: str) -> float:
        """The largest S / h of a client when it was active last; 0 for one that is not known."""
        place = self._places.get(client)
        return 0.0 if place is None else float(self._rows[place, SUSPICION])

    def largest(self, count: int, least: float) -> list[str]:
        """The most suspicious clients, the first at the front, without those below `least`."""
        found = self._rows[: len(self._names), SUSPICION]
        places = np.flatnonzero(found >= least)
        if len(places) > count:
            places = places[np.argpartition(found[places], -count)[-count:]]
        return [self._names[place] for place in places[np.argsort(-found[places], kind="stable")].tolist()]

    def levels(self, now: float, within: float) -> dict[str, int]:
        """How many of those that were active within so many seconds are of each level now, as `level_of` says it."""
        rows = self._rows[: len(self._names)]
        _, rank = _amounts(rows[now - rows[:, LAST] <= within], now)
        return dict(zip(LEVELS[1:], np.bincount(rank, minlength=4).tolist(), strict=True))

    def ranked(self, now: float, level: str) -> list[tuple[float, str]]:
        """Suspicion and name of all clients of at least this level now, the most suspicious first, then by name."""
        suspicion, rank = _amounts(self._rows[: len(self._names)], now)
        places = np.flatnonzero(rank >= LEVELS.index(level) - 1).tolist()
        return sorted(((float(suspicion[place]), self._names[place]) for place in places), key=_most_suspicious)


def _amounts(rows: np.ndarray, now: float) -> tuple[np.ndarray, np.ndarray]:
    """The largest S / h now, float64 (n,), and the place in LEVELS[1:] of the level, int (n,), as `level_of` has it."""
    left = 0.5 ** (np.maximum(now - rows[:, LAST], 0.0) / HALF_LIFE)
    suspicion, is_severe = rows[:, SUSPICION] * left, rows[:, SEVERE] * left >= 1
    rank = np.where(is_severe, 3, np.where(suspicion >= ALARM_RATIO, 2, (suspicion >= WATCH_RATIO).astype(int)))
    return suspicion, rank


def _most_suspicious(entry: tuple[float, str]) -> tuple[float, str]:
    return -entry[0], entry[1]
