"""Looks at `/metrics` and `/-/healthy` five times a second, as Prometheus and a kubelet do, and how long that takes."""

import threading
import time

import requests

from soak.service import get

PATHS = ("/metrics", "/-/healthy")


class Watch(threading.Thread):
    """looks: how many there were. unanswered: without a 200. seconds: of each look, by path."""

    def __init__(self, url: str, every: float = 0.2) -> None:
        super().__init__(name="watch")
        self._url, self._every = url, every
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._paused = False
        self.unanswered = 0
        self.seconds: dict[str, list[float]] = {path: [] for path in PATHS}

    @property
    def looks(self) -> int:
        """How many there were."""
        return sum(map(len, self.seconds.values()))

    @property
    def slowest(self) -> float:
        """Seconds of the slowest look."""
        return max(max(seconds, default=0.0) for seconds in self.seconds.values())

    def run(self) -> None:
        while not self._stopping.wait(self._every):
            with self._lock:
                for path in () if self._paused else PATHS:
                    self._look(path)

    def _look(self, path: str) -> None:
        begun = time.monotonic()
        try:
            self.unanswered += not get(self._url + path).ok
        except requests.RequestException:
            self.unanswered += 1
        self.seconds[path].append(time.monotonic() - begun)

    def pause(self, paused: bool = True) -> None:
        """Look no more for now, or again."""
        with self._lock:
            self._paused = paused

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self.join()
