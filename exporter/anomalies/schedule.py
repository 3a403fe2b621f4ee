"""When a query is learned anew: each night, the queries spread over some hours, each always at the same time."""

from datetime import datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

from exporter.config.anomalies import DAY, Training


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
