"""When a query is learned anew: each night, the queries spread over some hours, each always at the same time.

And when somebody asks for it, when it could not be learned, and when new series of it have come.
"""

from datetime import datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

from exporter.config.anomalies import DAY, Training

#: seconds until a query that could not be learned is tried again, at first and at most
FIRST_RETRY, LONGEST_RETRY = 60.0, 3600.0
#: seconds until series that had to keep their baseline, or are new, get their turn
TURN_SECONDS = 3600.0


class Turns:
    """Whose turn it is to be learned. Times are seconds since 1970."""

    def __init__(self) -> None:
        self._requested: set[str] = set()
        #: when to try again, and how long that waits
        self._retry: dict[str, tuple[float, float]] = {}
        #: when people went back to an older version: it holds until the next night
        self._rolled_back: dict[str, float] = {}

    def request(self, name: str) -> None:
        """Somebody wants it learned soon, whatever was to be waited for."""
        self._requested.add(name)
        self._retry.pop(name, None)

    def forget(self, name: str) -> None:
        """It is another query now, or none."""
        self._requested.discard(name)
        self._retry.pop(name, None)
        self._rolled_back.pop(name, None)

    def begin(self, name: str) -> None:
        """It is being learned: what was asked for is done by that."""
        self._requested.discard(name)

    def failed(self, name: str, now: float) -> None:
        """It could not be learned: each time that happens, the next attempt waits twice as long."""
        _, wait = self._retry.get(name, (0.0, FIRST_RETRY / 2))
        wait = min(2 * wait, LONGEST_RETRY)
        self._retry[name] = (now + wait, wait)

    def learned(self, name: str, now: float, all_of_it: bool) -> None:
        """It is learned. all_of_it: no series had to keep the baseline that it had."""
        self._retry.pop(name, None)
        self._rolled_back.pop(name, None)
        if not all_of_it:
            self._retry[name] = (now + TURN_SECONDS, FIRST_RETRY)

    def rolled_back(self, name: str, now: float) -> None:
        """It judges by an older version."""
        self._rolled_back[name] = now

    def is_due(self, name: str, learned_at: float | None, last_turn: float, ripe: bool, now: float) -> bool:
        """Whether to learn it now.

        learned_at: when its baseline was learned, None without one. last_turn: `last_due`. ripe: a series that came
        since then has enough points.
        """
        if name in self._requested:
            return True
        at, _ = self._retry.get(name, (0.0, 0.0))
        if now < at:
            return False
        if learned_at is None or at:
            return True
        chosen_at = max(learned_at, self._rolled_back.get(name, 0.0))
        return chosen_at < last_turn or (ripe and now - chosen_at > TURN_SECONDS)


def spread(name: str, seconds: float) -> float:
    """Where in the span this query has its turn: 0 to seconds, by its name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") / 2**32 * seconds


def last_due(name: str, training: Training, zone: str, now: float) -> float:
    """The last time, not after now, at which the query had its turn. By the clocks of the zone."""
    hour, minute = map(int, training.at.split(":"))
    today = datetime.fromtimestamp(now, ZoneInfo(zone)).replace(hour=hour, minute=minute, second=0, microsecond=0)
    offset = spread(name, min(training.spread, DAY))
    # the spread may reach into the next day
    turns = [(today - timedelta(days=days)).timestamp() + offset for days in (0, 1, 2)]
    return max(turn for turn in turns if turn <= now)
