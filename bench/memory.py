"""Resident memory of the exporter: idle on defaults, and under queries once its windows are full."""

import json

from bench.load import request, send
from bench.processes import resident_megabytes, vedette, wait_until_judged
from bench.row import Row

LINES, BODIES = 1_000, 200


def _requests(start: int) -> list[bytes]:
    bodies = []
    for body in range(start, start + BODIES):
        lines = [
            json.dumps({"client": f"c{line % 50}", "input": f"text {body} {line}", "output": [0.9, 0.1]})
            for line in range(LINES)
        ]
        bodies.append(request("/api/v1/queries", "\n".join(lines).encode()))
    return bodies


def rows() -> list[Row]:
    """Megabytes: idle, and what further queries add once the windows are full."""
    with vedette("") as (process, port):
        idle = resident_megabytes(process)
        _push(port, 0)
        first = resident_megabytes(process)
        _push(port, BODIES)
        second = resident_megabytes(process)
    added = Row("resident, added by 200,000 more queries", second - first, "MB", limit=first, limit_of="before")
    return [Row("resident, idle on defaults", idle, "MB", target=120.0), added]


def _push(port: int, start: int) -> None:
    """Push the bodies in portions that fit into the queue."""
    requests = _requests(start)
    for portion in range(0, BODIES, 20):
        send(port, requests[portion : portion + 20], 1)
        wait_until_judged(port)
