"""Whole-process CPU of the HTTP intake, next to bare uvicorn in the same run."""

import json
import statistics
import subprocess
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
#: by the end of the name of a row: what is configured besides, whether queries have ids, requests a round, and the
#: target. Where clients are judged a text takes up to a quarter of a millisecond: fewer are sent
PUSHES: dict[str, tuple[str, bool, int, float | None]] = {
    "": ("", False, 10, 3.5),
    ", each with an id": ("", True, 10, None),
    ", detectors alone": ("defaults: {clients: {enabled: false}}", False, 100, 3.5),
    ", detectors alone, each with an id": ("defaults: {clients: {enabled: false}}", True, 100, None),
    ", detectors alone, no drift": ("defaults: {clients: {enabled: false}, drift: false}", False, 100, None),
    ", detectors alone, no drift, no history": (
        "defaults: {clients: {enabled: false}, drift: false}\nhistory: {enabled: false}",
        False,
        100,
        None,
    ),
}


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
    """µs of CPU a query for `POST /api/v1/queries` with 1,000 lines, in turns with bare uvicorn, way by way."""
    rng = np.random.default_rng(0)
    rows = []
    for name, (more, with_id, count, target) in PUSHES.items():
        with vedette(f"{PUSH_CONFIG}{more}\n") as (process, port), bare_uvicorn() as (bare, bare_port):
            figures, limits = [], []
            for _ in range(ROUNDS + 1):
                requests = [request("/api/v1/queries", _body(rng, 1000, with_id)) for _ in range(count)]
                figures.append(_cpu_each(process, port, requests, 1, b"202", queued=True) / 1000)
                limits.append(_cpu_each(bare, bare_port, requests[:10] * 10, 1, b"200") / 1000)
        rows.append(
            Row(
                name=f"POST /api/v1/queries, 1,000 lines{name}",
                measured=statistics.median(figures[1:]),
                unit="µs/query",
                limit=statistics.median(limits[1:]),
                limit_of="bare uvicorn",
                target=target,
            )
        )
    return rows


def detect_rows() -> list[Row]:
    """CPU of `POST /detect` over 16 connections as a multiple of bare uvicorn: as it is, and with detectors alone."""
    body = json.dumps({"model": "bench", "input": "hello", "output": [0.7, 0.1, 0.1, 0.1]}).encode()
    requests = [request("/detect", body)] * 10_000
    rows = []
    for name, more in (("", ""), (", detectors alone", "\ndefaults: {clients: {enabled: false}}")):
        figures, limits = [], []
        with vedette(DETECT_CONFIG + more) as (process, port), bare_uvicorn() as (bare, bare_port):
            for _ in range(ROUNDS + 1):
                figures.append(_cpu_each(process, port, requests, 16, b"200"))
                limits.append(_cpu_each(bare, bare_port, requests, 16, b"200"))
        name = f"POST /detect, 16 connections, confidence{name}"
        rows.append(in_turns(name, "µs/request", figures[1:], limits[1:], limit_of="bare uvicorn", target_ratio=2.0))
    return rows


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
