"""What people must know, said once: a service that is down must not fill the host's log."""

import logging
import time
from collections.abc import Callable

#: seconds between two warnings of one kind that `repeat` gives
REPEAT_SECONDS = 60.0
log = logging.getLogger("vedette_client")


class Notices:
    """Warnings, each once until it is over. No key and no address is in them.

    Of a record there is only what the exporter quotes when it refuses one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._repeated_at: dict[str, float] = {}
        self._said: set[str] = set()
        self._mentioned: set[str] = set()

    def warn(self, about: str, text: str) -> None:
        """Warn, unless that was said already."""
        if about not in self._said:
            self._said.add(about)
            log.warning("vedette: %s", text)

    def repeat(self, about: str, text: str) -> None:
        """Warn, at most once in a while: for what differs each time."""
        now = self._clock()
        if now - self._repeated_at.get(about, float("-inf")) >= REPEAT_SECONDS:
            self._repeated_at[about] = now
            log.warning("vedette: %s", text)

    def mention(self, about: str, text: str) -> None:
        """Tell those who look for it, once."""
        if about not in self._mentioned:
            self._mentioned.add(about)
            log.debug("vedette: %s", text)

    def over(self, about: str, text: str) -> None:
        """Say that something is well again, if it was warned of."""
        if about in self._said:
            self._said.remove(about)
            log.info("vedette: %s", text)
