"""Senders of numbered queries, which know what was acknowledged."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import requests

PUSH, DETECT = "/api/v1/queries", "/detect"
#: 409: /detect has judged it already, and its answer went with the crash
TAKEN = (200, 202, 409)
#: seconds that a sender waits before it goes on after a refusal
PAUSE = 0.02


class Sender(threading.Thread):
    """Sends queries with ids of its own, one body after the other, until it is stopped."""

    def __init__(self, url: str, path: str, name: str, each: int) -> None:
        super().__init__(name=name)
        self._url, self._path, self._each = url + path, path, each
        self._stopping = threading.Event()
        self.tried: list[str] = []
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        with requests.Session() as http:
            http.trust_env = False
            while not self._stopping.is_set():
                ids = [f"{self.name}-{len(self.tried) + place}" for place in range(self._each)]
                self.tried += ids
                if not self.send(http, ids):
                    time.sleep(PAUSE)

    def send(self, http: requests.Session, ids: list[str]) -> bool:
        """Send these queries; whether they were acknowledged."""
        body = "\n".join(json.dumps(event(name)) for name in ids)
        try:
            taken = http.post(self._url, data=body, timeout=10).status_code in TAKEN
        except requests.RequestException:
            return False
        if taken:
            self.acknowledged.update(ids)
        return taken

    def send_rest(self) -> None:
        """Send again what was not acknowledged, as a client does, until all of it is."""
        with requests.Session() as http:
            http.trust_env = False
            for ids in _chunks(sorted(set(self.tried) - self.acknowledged), 1 if self._path == DETECT else 500):
                while not self.send(http, ids):
                    time.sleep(PAUSE)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()


def event(name: str) -> dict[str, object]:
    """A query whose content follows from its id, so that a retry is the same."""
    return {"id": name, "model": "m", "client": "c", "input": f"the text with the number {name}", "output": [0.6, 0.4]}


class Dropper(threading.Thread):
    """Drops files of queries without ids."""

    def __init__(self, folder: Path, lines: int) -> None:
        super().__init__(name="dropper")
        self._folder, self._lines = folder, lines
        self._stopping = threading.Event()
        self.dropped = 0

    def run(self) -> None:
        self._folder.mkdir(exist_ok=True)
        while not self._stopping.wait(0.1):
            name = self._folder / f"file{self.dropped}"
            lines = [json.dumps({"model": "m", "input": f"{name.name} {place}"}) for place in range(self._lines)]
            name.with_suffix(".part").write_text("\n".join(lines))
            os.rename(name.with_suffix(".part"), name.with_suffix(".ndjson"))
            self.dropped += self._lines

    def stop(self) -> None:
        """Drop nothing more."""
        self._stopping.set()


class Scraper(threading.Thread):
    """Scrapes as Prometheus does, and adds up what `increase()` would."""

    def __init__(self, url: str, every: float = 0.2) -> None:
        super().__init__(name="scraper")
        self._url, self._every = url, every
        self._stopping = threading.Event()
        self.last = self.increase = 0.0
        self.lower = 0
        self.epochs: set[str] = set()

    def run(self) -> None:
        while not self._stopping.wait(self._every):
            self.scrape()

    def scrape(self) -> None:
        """Scrape once; a service that is down is no news."""
        try:
            lines = requests.get(f"{self._url}/metrics", timeout=5).text.splitlines()
        except requests.RequestException:
            return
        for line in lines:
            if line.startswith('vedette_queries_total{model="m"}'):
                self._saw(float(line.split()[1]))
            elif line.startswith("vedette_counter_epoch_timestamp_seconds"):
                self.epochs.add(line.split()[1])

    def _saw(self, value: float) -> None:
        self.increase += value - self.last if value >= self.last else value
        self.lower += value < self.last
        self.last = value

    def stop(self) -> None:
        """Scrape no more."""
        self._stopping.set()


def eventually(what: str, is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def _chunks(ids: list[str], size: int) -> list[list[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]
