"""Gauges that senders push: the maximum over the instances that push them, gone five minutes after the last push."""

from collections.abc import Sequence
from typing import Any

#: what is forgotten when nobody pushes it any more
EXPIRY_SECONDS = 300.0
#: instances of one gauge that are told apart; beyond it the one that was silent longest goes
INSTANCES = 100


class PushedGauge:
    """One gauge, as each instance last pushed it."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        #: by instance, in the order of their last push: value and when it came, seconds since 1970
        self._values: dict[str, tuple[float, float]] = {}

    def push(self, instance: str, value: float, now: float) -> None:
        """Take what an instance says now."""
        self._values.pop(instance, None)
        self._values[instance] = (value, now)
        if len(self._values) > INSTANCES:
            del self._values[next(iter(self._values))]

    def value(self, now: float) -> float | None:
        """The largest that was pushed within the last five minutes; None without any."""
        if not self._values:
            return None
        return max((value for value, at in self._values.values() if now - at <= EXPIRY_SECONDS), default=None)

    def dump(self) -> list[Any]:
        """What each instance last pushed, as plain values."""
        return [[instance, value, at] for instance, (value, at) in self._values.items()]

    def load(self, state: Sequence[Any]) -> None:
        """Go on from a dump."""
        self._values = {instance: (value, at) for instance, value, at in state}
