"""Senders of numbered queries, which know what was acknowledged."""

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path

import requests

PUSH, DETECT = "/api/v1/queries", "/detect"
#: 409: /detect has judged it already, and its answer went with the crash
TAKEN = (200, 202, 409)
#: seconds that a sender waits before it goes on after a refusal
PAUSE = 0.02
#: lines of most files, and of every tenth
SHORT, LONG = 50, 1500


class Sender(threading.Thread):
    """Sends queries with ids of its own, one body after the other, until it is stopped."""

    def __init__(self, url: str, path: str, name: str, each: int) -> None:
        super().__init__(name=name)
        self._url, self._path, self._each = url + path, path, each
        self._stopping = threading.Event()
        self.tried: list[str] = []
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()

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
            answer = http.post(self._url, data=body, timeout=10)
        except requests.RequestException:
            return False
        self.statuses[answer.status_code] += 1
        taken = answer.status_code in TAKEN
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
    told = {"id": name, "model": "m", "output": [0.6, 0.4]}
    if name.endswith("7"):  # somebody who asks the same again and again, and comes into alarm
        return {**told, "client": "again", "input": "the same text"}
    return {**told, "client": "c", "input": f"the text with the number {name}"}


class Dropper(threading.Thread):
    """Drops files of queries without ids, every tenth of which is read in several pieces."""

    def __init__(self, folder: Path, every: float = 0.1) -> None:
        super().__init__(name="dropper")
        self._folder, self._every = folder, every
        self._stopping = threading.Event()
        self._files = 0
        self.dropped: list[str] = []

    def run(self) -> None:
        self._folder.mkdir(exist_ok=True)
        while not self._stopping.wait(self._every):
            name = self._folder / f"file{self._files}"
            inputs = [f"line {place} of {name.name}" for place in range(LONG if self._files % 10 == 9 else SHORT)]
            lines = [json.dumps({"model": "m", "input": text}) for text in inputs]
            name.with_suffix(".part").write_text("\n".join(lines))
            os.rename(name.with_suffix(".part"), name.with_suffix(".ndjson"))
            self.dropped += inputs
            self._files += 1

    def is_read(self) -> bool:
        """Whether the program has put all files away."""
        return not list(self._folder.glob("*.ndjson"))

    def stop(self) -> None:
        """Drop nothing more."""
        self._stopping.set()


def _chunks(ids: list[str], size: int) -> list[list[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


class Load:
    """Senders of all kinds, and a dropper, at work until they are stopped."""

    def __init__(self, url: str, drop: Path) -> None:
        self.senders = [Sender(url, PUSH, f"push{place}", 5) for place in range(4)]
        self.senders += [Sender(url, DETECT, f"detect{place}", 1) for place in range(3)]
        self.dropper = Dropper(drop)

    def start(self) -> None:
        """Begin to send."""
        for thread in (*self.senders, self.dropper):
            thread.start()

    def stop(self) -> None:
        """Send nothing more; what is under way is waited for."""
        for thread in (*self.senders, self.dropper):
            thread.stop()
        for thread in (*self.senders, self.dropper):
            thread.join()

    def send_rest(self) -> None:
        """Send again what was not acknowledged."""
        again = [threading.Thread(target=sender.send_rest) for sender in self.senders]
        for thread in again:
            thread.start()
        for thread in again:
            thread.join()

    def tried(self) -> list[str]:
        """The ids of all that was sent."""
        return [name for sender in self.senders for name in sender.tried]

    def acknowledged(self) -> set[str]:
        """The ids of what was acknowledged."""
        return set().union(*(sender.acknowledged for sender in self.senders))

    def statuses(self) -> Counter[int]:
        """Answers by status."""
        return sum((sender.statuses for sender in self.senders), Counter())
