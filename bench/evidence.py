"""What evidence costs: CPU a query with 100,000 queries in the history, in batches of 256 and as served, and memory.

    python -m bench.evidence

All evidence is on (the profile `strict`). Pictures are 64 x 64, texts have about 120 characters; 200 clients.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.row import Row
from detectors import Query
from exporter.clients import Suspicion
from exporter.config import Clients
from exporter.unweighed import PART

HISTORY, ROUNDS = 100_000, 12
#: queries that are weighed together: as the target has it, and as the exporter does at most
BATCH = 256


def pictures(count: int, random: np.random.Generator) -> list[Any]:
    """Smooth pictures with noise, no two alike."""
    coarse = random.integers(40, 216, (count, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    return list(np.clip(coarse + random.normal(0, 6, coarse.shape), 0, 255).astype(np.uint8))


def texts(count: int, random: np.random.Generator) -> list[Any]:
    """Sentences of 20 words out of 5,000."""
    letters = random.integers(97, 123, (5000, 6), dtype=np.uint8)
    words = [row.tobytes().decode() for row in letters]
    return [" ".join(words[place] for place in row) for row in random.integers(0, 5000, (count, 20)).tolist()]


def rows() -> list[Row]:
    """Cost and memory of pictures and of texts."""
    found = []
    for name, make, target in (("64 x 64 images", pictures, 1000.0), ("texts", texts, 300.0)):
        cost, as_served, megabytes = measured(make)
        found.append(Row(f"evidence, {name}, history 100k, batch {BATCH}", cost, "µs/query", target=target))
        found.append(Row(f"evidence, {name}, history 100k, batch {PART}", as_served, "µs/query"))
        found.append(Row(f"evidence, {name}, memory of a model", megabytes, "MB", target=200.0))
    return found


def measured(make: Callable[[int, np.random.Generator], list[Any]]) -> tuple[float, float, float]:
    """The median CPU time in µs a query in batches of BATCH and of PART, and the memory in MB."""
    random = np.random.default_rng(1)
    model = Suspicion(Clients(profile="strict"), 7)
    model.calibrate([Query(value, [0.9, 0.1]) for value in make(1000, random)])
    start = 0
    while model.read.window_queries() < HISTORY:
        _observe(model, make(4096, random), start)
        start += 4096
    costs: dict[int, list[float]] = {BATCH: [], PART: []}
    for _ in range(ROUNDS):
        for size, found in costs.items():
            found.append(_observe(model, make(size, random), start) / size * 1e6)
            start += size
    return float(np.median(costs[BATCH])), float(np.median(costs[PART])), model.memory.nbytes / 1e6


def _observe(model: Suspicion, values: list[Any], start: int) -> float:
    """CPU seconds of judging these, as queries that come 100 a second."""
    times = [0.01 * (start + place) for place in range(len(values))]
    queries = [
        Query(value, [0.9, 0.1], client=f"client {(start + place) % 200}", timestamp=when)
        for place, (value, when) in enumerate(zip(values, times, strict=True))
    ]
    begun = time.process_time()
    model.observe(queries, times)
    return time.process_time() - begun


def main() -> None:
    """Measure and print."""
    for found in rows():
        print("  ".join(found.cells()))


if __name__ == "__main__":
    main()
