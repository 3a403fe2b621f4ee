"""Streams of queries of one model, and a model that knows what is natural."""

from typing import Any

import msgspec
import numpy as np

from detectors import Query
from exporter.clients import Suspicion, Verdict
from exporter.config import Clients


def natural(count: int, client: str | None = None, seed: int = 1, start: float = 0.0) -> list[Query]:
    """Rows of ten numbers and sure answers; from twelve clients, or from one."""
    random = np.random.default_rng(seed)
    rows = random.normal(0, 1, (count, 10))
    doubts = random.beta(1, 12, count)
    return [
        Query(
            row.tolist(), [1 - doubt, doubt], client=client or f"user {n % 12}", id=f"{seed}-{n}", timestamp=start + n
        )
        for n, (row, doubt) in enumerate(zip(rows, doubts.tolist(), strict=True))
    ]


def search(count: int, client: str | None = "attacker", seed: int = 2, start: float = 0.0) -> list[Query]:
    """Small steps around one row."""
    random = np.random.default_rng(seed)
    row = random.normal(0, 1, 10)
    rows = row + random.normal(0, 0.03, (count, 10))
    return [
        Query(one.tolist(), [0.9, 0.1], client=client, id=f"s{seed}-{n}", timestamp=start + n)
        for n, one in enumerate(rows)
    ]


def warm(profile: Any = "default", **settings: Any) -> Suspicion:
    model = Suspicion(Clients(profile=profile, **settings), 7)
    model.calibrate(natural(300, seed=99))
    return model


def observe(model: Suspicion, queries: list[Query], size: int = 1000) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        verdicts += model.observe(part, [query.timestamp for query in part])
    return verdicts


def interleaved() -> list[Query]:
    """Natural queries, a search, repeats, texts where rows belong, queries without client, answers and time order."""
    mixed = natural(300) + search(60) + natural(40, "again", seed=3) * 2 + search(20, None, seed=5)
    mixed += [
        Query("a text", [0.5, 0.5], client="lost"),
        Query(None, None, client="lost"),
        Query({"x": 1}, client="lost"),
    ]
    order = np.random.default_rng(0).permutation(len(mixed)).tolist()
    return [msgspec.structs.replace(mixed[place], timestamp=10.0 * n) for n, place in enumerate(order)]
