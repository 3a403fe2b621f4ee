"""The canary: a synthetic query every half minute through decoder, queue and judging thread, in no count.

That it came through is the proof that real ones do; an alert fires when it does not.
"""

import asyncio
import time
from collections.abc import Callable

from exporter.config import Limits
from exporter.delivery import CANARY, Delivery
from exporter.formats import native
from exporter.pipeline import Pipeline

INTERVAL_SECONDS = 30.0
QUERY = b'{"input": "canary", "output": [0.9, 0.1]}'


class Canary:
    """Sends the synthetic queries and remembers when one last came through."""

    def __init__(self, pipeline: Pipeline, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._pipeline, self._limits, self._clock = pipeline, limits, clock
        self.succeeded_at: float | None = None

    def send(self) -> bool:
        """Send one; False when the queue had no room for it."""
        queries, _ = native.decode(QUERY, self._limits)
        return self._pipeline.offer(
            Delivery(source=CANARY, queries=queries, received=self._clock(), explain=True, done=self._came_through)
        )

    def _came_through(self, outcomes: object) -> None:
        self.succeeded_at = self._clock()

    async def run(self) -> None:
        """Send one now and then until cancelled."""
        while True:
            self.send()
            await asyncio.sleep(INTERVAL_SECONDS)
