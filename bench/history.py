"""What the history costs the judging: CPU of the whole process with it and without it, in turns."""

import json
import subprocess
import time

import numpy as np

from bench.http import PUSH_CONFIG
from bench.load import request, send
from bench.processes import cpu_seconds, vedette, wait_until_judged
from bench.row import Row, in_turns
from exporter.history.recorder import TICK

ROUNDS = 7
REQUESTS = 60
#: share of queries that the detectors flag, by name of the row
SHARES = {"2 % flagged": 0.02, "all flagged": 1.0}


def _body(rng: np.random.Generator, flagged: float) -> bytes:
    """1,000 queries of 10 classes and 200 characters, so many of them unsure, each with its latency and tokens."""
    events = []
    for text in rng.integers(97, 123, (1_000, 200), np.uint8):
        unsure = rng.random() < flagged
        output = [0.1] * 10 if unsure else [0.91, *[0.01] * 9]
        event = {"model": "bench", "client": "c1", "input": text.tobytes().decode(), "output": output}
        events.append(json.dumps(event | {"latency_seconds": 0.25, "tokens": {"input": 50, "output": 9}}))
    return "\n".join(events).encode()


def _cpu_each(process: subprocess.Popen[bytes], port: int, requests: list[bytes]) -> float:
    """CPU microseconds a query, until it is judged and what is recorded of it is written. Raises RuntimeError."""
    begun = cpu_seconds(process)
    statuses = send(port, requests, 1)
    if set(statuses) != {b"202"}:
        raise RuntimeError(f"expected only 202, got {statuses}")
    wait_until_judged(port)
    time.sleep(2 * TICK)
    return (cpu_seconds(process) - begun) / len(requests) / 1_000 * 1e6


def rows() -> list[Row]:
    """µs of CPU a pushed query, all that is recorded of it included; at most 1.1 times what it is without."""
    rng = np.random.default_rng(0)
    found = []
    # clients are left out: what they cost would hide what the history does
    plain = f"{PUSH_CONFIG}defaults: {{clients: {{allow: [c1]}}}}\n"
    on, off = (f"{plain}history: {{enabled: {enabled}}}\n" for enabled in ("true", "false"))
    with vedette(on) as (recording, port), vedette(off) as (bare, bare_port):
        for name, share in SHARES.items():
            figures, limits = [], []
            for _ in range(ROUNDS + 1):
                requests = [request("/api/v1/queries", _body(rng, share)) for _ in range(REQUESTS)]
                figures.append(_cpu_each(recording, port, requests))
                limits.append(_cpu_each(bare, bare_port, requests))
            title = f"POST /api/v1/queries with the history, {name}"
            found.append(in_turns(title, "µs/query", figures[1:], limits[1:], limit_of="without it", target_ratio=1.1))
    return found
