"""Whole-process CPU of the HTTP intake, next to bare uvicorn in the same run."""

import json
import statistics
import subprocess
from contextlib import ExitStack
from typing import Any

import numpy as np

from bench.load import request, send
from bench.processes import bare_uvicorn, cpu_seconds, vedette, wait_until_judged
from bench.row import Row, in_turns

PUSH_CONFIG = """
models:
  - name: bench
    modality: text
    detectors: [{confidence: {threshold: 0.8}}, {repetition: {threshold: 5, max_history_size: 10000}}]
limits: {queue_queries: 200000}
"""
DETECT_CONFIG = "models: [{name: bench, detectors: [{confidence: {threshold: 0.8}}]}]"
ROUNDS = 5
#: of a thousand queries each, where clients are judged: a text takes a quarter of a millisecond
CLIENT_REQUESTS = 10


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
                requests = [request("/api/v1/queries", _body(rng, 1000, with_id)) for _ in range(CLIENT_REQUESTS)]
                figures.append(_cpu_each(process, port, requests, 1, b"202", queued=True) / 1000)
                limits.append(_cpu_each(bare, bare_port, requests * 10, 1, b"200") / 1000)
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


#: what is switched off, by the name of the row
WITHOUT = {
    "no clients": "defaults: {clients: {allow: [c1]}}",
    "no clients, no drift": "defaults: {clients: {allow: [c1]}, drift: false}",
    "no clients, no drift, no history": "defaults: {clients: {allow: [c1]}, drift: false}\nhistory: {enabled: false}",
}


def part_rows() -> list[Row]:
    """µs of CPU a pushed query with parts of the judging switched off."""
    rng = np.random.default_rng(0)
    figures: dict[str, list[float]] = {name: [] for name in WITHOUT}
    with ExitStack() as running:
        started = {name: running.enter_context(vedette(f"{PUSH_CONFIG}{off}\n")) for name, off in WITHOUT.items()}
        for _ in range(ROUNDS + 1):
            requests = [request("/api/v1/queries", _body(rng, 1000, False)) for _ in range(100)]
            for name, (process, port) in started.items():
                figures[name].append(_cpu_each(process, port, requests, 1, b"202", queued=True) / 1000)
    return [
        Row(name=f"POST /api/v1/queries, {name}", measured=statistics.median(each[1:]), unit="µs/query")
        for name, each in figures.items()
    ]


def detect_rows() -> list[Row]:
    """CPU of `POST /detect` over 16 connections as a multiple of bare uvicorn."""
    body = json.dumps({"model": "bench", "input": "hello", "output": [0.7, 0.1, 0.1, 0.1]}).encode()
    requests = [request("/detect", body)] * 10_000
    figures, limits = [], []
    with vedette(DETECT_CONFIG) as (process, port), bare_uvicorn() as (bare, bare_port):
        for _ in range(ROUNDS + 1):
            figures.append(_cpu_each(process, port, requests, 16, b"200"))
            limits.append(_cpu_each(bare, bare_port, requests, 16, b"200"))
    name = "POST /detect, 16 connections, confidence"
    return [in_turns(name, "µs/request", figures[1:], limits[1:], limit_of="bare uvicorn", target_ratio=2.0)]


def sample_rows() -> list[Row]:
    """CPU of `POST /api/v1/metrics/inference` over 16 connections as a multiple of bare uvicorn."""
    requests = [request("/api/v1/metrics/inference", _sample(number)) for number in range(10_000 * (ROUNDS + 1))]
    figures, limits = [], []
    with vedette("models: [{name: bench}]") as (process, port), bare_uvicorn() as (bare, bare_port):
        for start in range(0, len(requests), 10_000):
            part = requests[start : start + 10_000]
            figures.append(_cpu_each(process, port, part, 16, b"201", queued=True))
            limits.append(_cpu_each(bare, bare_port, part, 16, b"200"))
    name = "POST /api/v1/metrics/inference, 16 connections"
    return [in_turns(name, "µs/request", figures[1:], limits[1:], limit_of="bare uvicorn", target_ratio=2.5)]


def _sample(number: int) -> bytes:
    """A sample with all that the servers that people come from take."""
    sample = {"model_id": "bench", "model_type": "llm", "request_id": f"r-{number}", "latency": 120.5 + number % 700}
    sample |= {"throughput": 80.0, "error_rate": 0.01, "tags": {"region": "eu"}}
    return json.dumps(sample | {"resource_usage": {"gpu_memory": 0.5, "cpu_usage": 0.3, "memory_usage": 0.4}}).encode()
