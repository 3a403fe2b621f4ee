"""Pushes at a steady rate, from a process of its own so that who measures is not slowed down by who sends."""

import multiprocessing
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

PUSH = "/api/v1/queries"
THREADS = 4


@dataclass
class Pushed:
    """What came of it: queries in bodies by status, bodies by status, and answers 429 without Retry-After."""

    queries: Counter[int] = field(default_factory=Counter)
    bodies: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    late: float = 0.0


class Pusher:
    """Pushes `rate` queries a second in bodies of `each`, as fast as it can if `rate` is 0, until it is stopped.

    label: begins the texts, and the ids if there are any, so that no two pushers send the same. most: queries after
    which it ends by itself.
    """

    def __init__(self, url: str, rate: float, each: int, label: str, most: int = 1 << 62, ids: bool = True) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._stopping = context.Event()
        self._process = context.Process(
            target=_push, args=(url, rate, each, label, most, ids, self._stopping, there), daemon=True
        )
        self._process.start()

    def stop(self) -> Pushed:
        """End, and what came of it."""
        self._stopping.set()
        return self.wait()

    def wait(self) -> Pushed:
        """Wait until it has ended by itself."""
        pushed: Pushed = self._here.recv()
        self._process.join()
        return pushed


def _push(url: str, rate: float, each: int, label: str, most: int, ids: bool, stopping: Any, answer: Any) -> None:
    pushed, lock = Pushed(), threading.Lock()
    threads = [
        threading.Thread(
            target=_push_one,
            args=(url, rate / THREADS, each, f"{label}-{place}", most // THREADS, ids, stopping, pushed, lock),
        )
        for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer.send(pushed)


def _push_one(
    url: str,
    rate: float,
    each: int,
    label: str,
    most: int,
    ids: bool,
    stopping: Any,
    pushed: Pushed,
    lock: threading.Lock,
) -> None:
    due, number = time.monotonic(), 0
    with requests.Session() as http:
        http.trust_env = False
        while number < most and not stopping.is_set():
            body = "\n".join(line(f"{label}-{place}", ids) for place in range(number, number + each))
            number += each
            if rate:
                due += each / rate
                stopping.wait(max(due - time.monotonic(), 0.0))
            answer = http.post(url + PUSH, data=body, timeout=60)
            while not rate and answer.status_code == 429 and not stopping.wait(0.1):  # all of it is to come in
                answer = http.post(url + PUSH, data=body, timeout=60)
            with lock:
                pushed.queries[answer.status_code] += each
                pushed.bodies[answer.status_code] += 1
                pushed.without_retry_after += answer.status_code == 429 and "Retry-After" not in answer.headers


def line(name: str, has_id: bool = True) -> str:
    """A query whose content follows from its name, which is its id if it has one."""
    id_ = f'"id":"{name}",' if has_id else ""
    return f'{{{id_}"model":"m","client":"c","input":"what about the order {name}?","output":[0.7,0.3]}}'
