"""Resident memory of the exporter: idle on defaults, and under queries once its windows are full."""

import json

from bench.load import request, send
from bench.processes import resident_megabytes, vedette
from bench.row import Row

LINES, BODIES = 1_000, 500


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
    """Megabytes: idle, and what half a million further queries add after the first half million."""
    with vedette("limits: {queue_queries: 2000000, queue_bytes: 1GiB}") as (process, port):
        idle = resident_megabytes(process)
        for _ in range(100):
            send(port, _requests(0)[:1], 1)
        send(port, _requests(0), 1)
        first = resident_megabytes(process)
        send(port, _requests(BODIES), 1)
        second = resident_megabytes(process)
    return [
        Row("resident, idle on defaults", idle, "MB", target=120.0),
        Row(
            "resident, what 500,000 queries add to 500,000",
            second - first,
            "MB",
            limit=first,
            limit_of="after the first",
        ),
    ]
