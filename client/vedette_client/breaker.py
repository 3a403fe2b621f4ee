"""Waiting: exponential back-off with full jitter, and a circuit breaker for a server that is down."""

from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]

FIRST_SECONDS = 0.5
#: failures in a row from which the circuit is open
FAILURES = 5
#: more than this is not believed: a slip in a header must not silence a client for a day
LONGEST_RETRY_AFTER = 3600.0


def backoff(attempt: int, longest: float, random: Callable[[], float]) -> float:
    """Seconds before try number `attempt` + 1: anywhere between 0 and a bound that doubles, at most the longest.

    random: a number in [0, 1). Source: Brooker 2015, "Exponential Backoff And Jitter" (full jitter).
    """
    return random() * min(longest, FIRST_SECONDS * 2.0 ** min(attempt - 1, 16))


def wait(attempt: int, longest: float, retry_after: float | None, random: Callable[[], float]) -> float:
    """Seconds to wait: never less than the server asked for, and not all clients at the same moment."""
    jitter = backoff(attempt, longest, random)
    if retry_after is None:
        return jitter
    return min(retry_after, LONGEST_RETRY_AFTER) + min(jitter, FIRST_SECONDS)


class Breaker:
    """Closed: all is sent. Open: nothing, until a time. Half open: one request, which decides.

    The first failures wait for their back-off alone; from FAILURES in a row on the waits are long, and what comes
    back first meets one small request and not all that has waited.
    """

    def __init__(self, longest: float, random: Callable[[], float]) -> None:
        """longest: seconds between two tries, at most; while it is open at least half of it."""
        self._longest, self._random = longest, random
        self._failures = 0
        self._until = 0.0
        self.state: State = "closed"

    def seconds(self, now: float) -> float:
        """How long to wait still; 0 when a request may go."""
        left = max(self._until - now, 0.0)
        if self.state == "open" and not left:
            self.state = "half_open"
        return left

    def failed(self, now: float, retry_after: float | None = None) -> None:
        """The server was not reached, or could not answer."""
        self._failures += 1
        pause = wait(self._failures, self._longest, retry_after, self._random)
        if self._failures >= FAILURES:
            self.state = "open"
            pause = max(pause, self._longest / 2)  # full jitter may give 0, and an open circuit lets nothing through
        self._until = now + pause

    def succeeded(self) -> None:
        """The server answered, whatever it said."""
        self.state, self._failures, self._until = "closed", 0, 0.0

    @property
    def is_well(self) -> bool:
        """Whether the last request was answered, or none was sent."""
        return not self._failures

    def try_again(self) -> None:
        """Forget the failures: what follows is the last try."""
        self._failures, self._until = 0, 0.0
