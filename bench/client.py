"""What a call of the client costs the thread of the host, while the client's own threads work."""

import statistics
import time
from collections.abc import Callable

from bench.row import Row
from vedette_client import Answer, Client, monitor

CALLS, ROUNDS = 20_000, 7
TARGET = 5.0


def rows() -> list[Row]:
    """µs of the calling thread's CPU a call, against a server that answers at once."""
    with Client(transport=lambda path, body: Answer(202), queue_records=CALLS) as client:
        output, text = [0.1] * 10, "x" * 200
        watched = monitor("bench", client=client, inputs=True)(lambda text: text)
        work: dict[str, Callable[[], object]] = {
            "push, 200 characters, 10 classes": lambda: client.push(
                model="bench", client="c1", input=text, output=output
            ),
            "inference": lambda: client.inference("bench", 0.1),
            "@monitor with its input": lambda: watched(text),
        }
        limit = _microseconds(lambda: [].append(None), client)
        return [
            Row(
                name=f"client: {name}",
                measured=_microseconds(call, client),
                unit="µs/call",
                limit=limit,
                limit_of="an append",
                target=TARGET,
            )
            for name, call in work.items()
        ]


def _microseconds(call: Callable[[], object], client: Client) -> float:
    """Median of the rounds. Raises RuntimeError when records were dropped: that would be cheaper."""
    figures = []
    for _ in range(ROUNDS):
        begun = time.thread_time_ns()
        for _ in range(CALLS):
            call()
        figures.append((time.thread_time_ns() - begun) / CALLS / 1e3)
        if not client.flush(60) or client.stats().dropped:
            raise RuntimeError(f"the client did not keep up: {client.stats()}")
    return statistics.median(figures)
