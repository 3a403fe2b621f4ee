"""Whole-process CPU of the HTTP intake, next to bare uvicorn in the same run."""

import json
import statistics
import subprocess
from typing import Any

import numpy as np

from bench.load import request, send
from bench.processes import bare_uvicorn, cpu_seconds, vedette, wait_until_judged
from bench.row import Row

PUSH_CONFIG = """
models:
  - name: bench
    modality: text
    detectors: [{confidence: {threshold: 0.8}}, {repetition: {threshold: 5, max_history_size: 10000}}]
limits: {queue_queries: 200000}
"""
DETECT_CONFIG = "models: [{name: bench, detectors: [{confidence: {threshold: 0.8}}]}]"
ROUNDS = 5


def _body(rng: np.random.Generator, lines: int, with_id: bool) -> bytes:
    """Queries with 10 classes and 200 characters of text, one a line."""
    events = []
    texts = rng.integers(97, 123, (lines, 200), np.uint8)
    for text, output in zip(texts, rng.dirichlet(np.ones(10), lines), strict=True):
        event: dict[str, Any] = {"model": "bench", "client": "c1", "input": text.tobytes().decode()}
        event["output"] = [round(p, 6) for p in (output / output.sum()).tolist()]
        if with_id:
            event["id"] = f"q-{rng.integers(1 << 60)}"
        events.append(json.dumps(event))
    return "\n".join(events).encode()


def _cpu_each(
    process: subprocess.Popen[bytes],
    port: int,
    requests: list[bytes],
    connections: int,
    good: bytes,
    queued: bool = False,
) -> float:
    """CPU microseconds a request. queued: its work goes on after the answer, and counts. Raises RuntimeError."""
    begun = cpu_seconds(process)
    statuses = send(port, requests, connections)
    if set(statuses) != {good}:
        raise RuntimeError(f"expected only {good.decode()}, got {statuses}")
    if queued:
        wait_until_judged(port)
    return (cpu_seconds(process) - begun) / len(requests) * 1e6


def push_rows() -> list[Row]:
    """µs of CPU a query for `POST /api/v1/queries` with 1,000 lines."""
    rng = np.random.default_rng(0)
    rows = []
    with vedette(PUSH_CONFIG) as (process, port), bare_uvicorn() as (bare, bare_port):
        for with_id in (False, True):
            figures, limits = [], []
            for _ in range(ROUNDS + 1):
                requests = [request("/api/v1/queries", _body(rng, 1000, with_id)) for _ in range(100)]
                figures.append(_cpu_each(process, port, requests, 1, b"202", queued=True) / 1000)
                limits.append(_cpu_each(bare, bare_port, requests, 1, b"200") / 1000)
            rows.append(
                Row(
                    name="POST /api/v1/queries, 1,000 lines" + (", each with an id" if with_id else ""),
                    measured=statistics.median(figures[1:]),
                    unit="µs/query",
                    limit=statistics.median(limits[1:]),
                    limit_of="bare uvicorn",
                    target=None if with_id else 3.5,
                )
            )
    return rows


def detect_rows() -> list[Row]:
    """CPU of `POST /detect` over 16 connections as a multiple of bare uvicorn."""
    body = json.dumps({"model": "bench", "input": "hello", "output": [0.7, 0.1, 0.1, 0.1]}).encode()
    requests = [request("/detect", body)] * 10_000
    figures, limits = [], []
    with vedette(DETECT_CONFIG) as (process, port), bare_uvicorn() as (bare, bare_port):
        for _ in range(ROUNDS + 1):
            figures.append(_cpu_each(process, port, requests, 16, b"200"))
            limits.append(_cpu_each(bare, bare_port, requests, 16, b"200"))
    ratios = [figure / limit for figure, limit in zip(figures[1:], limits[1:], strict=True)]
    return [
        Row(
            name="POST /detect, 16 connections, confidence",
            measured=statistics.median(figures[1:]),
            unit="µs/request",
            limit=statistics.median(limits[1:]),
            limit_of="bare uvicorn",
            target_ratio=2.0,
            ratio=statistics.median(ratios),
        )
    ]
