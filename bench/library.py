"""What one query costs in the detector library (`process_batch`), next to what the machine needs for its core.

    python -m bench.library

Process CPU time in microseconds a query, median of several rounds; the machine's limit is measured in turn with the
detector, in the same rounds, with numpy's BLAS at one thread. Takes about half a minute, most of it to fill a window
with 100,000 queries.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import chain, cycle
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from bench.row import Row
from detectors import Query, get_detector
from detectors.blas import one_thread

ROUNDS = 9
DIMENSIONS, BATCH = 384, 256


def rows() -> list[Row]:
    """One row a measurement."""
    return [confidence(), text_repetition(), similarity(10_000), similarity(100_000), image_repetition()]


def blas() -> str:
    """The kernels that numpy's BLAS chose for this machine."""
    libraries = ThreadpoolController().select(user_api="blas").info()
    return ", ".join(
        f"{found['internal_api']} {found['version']} {found.get('architecture', '')}" for found in libraries
    )


def unpin() -> None:
    """Start again without OPENBLAS_CORETYPE, which can halve the speed of products: BLAS reads it when it is loaded."""
    if "OPENBLAS_CORETYPE" in os.environ:
        free = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        os.execve(sys.executable, sys.orig_argv, free)


def confidence() -> Row:
    """Entropy of 10 class probabilities, batches of 1,000."""
    answers = np.random.default_rng(1).dirichlet(np.ones(10), 1000).tolist()
    batch = [Query("", model_output=answer) for answer in answers]
    detector = get_detector("confidence")
    cost, limit = medians(
        lambda: detector.process_batch(batch),
        lambda: np.fromiter(chain.from_iterable(answers), np.float64, 10_000),
        1000,
    )
    return _row("confidence, 10 classes, batch 1,000", cost, limit, "lists into one array", 0.7)


def text_repetition() -> Row:
    """Texts of 200 characters that all differ, batches of 1,000, the window of 10,000 full."""
    letters = np.random.default_rng(2).integers(97, 123, (12_000, 200), dtype=np.uint8)
    texts = [line.tobytes().decode() for line in letters]
    batches = list(_batched([Query(text) for text in texts], 1000))
    detector = get_detector("text_repetition", {"max_history_size": 10_000})
    for batch in batches:
        detector.process_batch(batch)
    turn = cycle(batches)
    plain = [text.encode() for text in texts[:1000]]
    cost, limit = medians(
        lambda: detector.process_batch(next(turn)), lambda: [sha256(text).digest() for text in plain], 1000
    )
    return _row("text repetition, 200 characters, window 10k, batch 1,000", cost, limit, "SHA-256", 1.5)


def similarity(window: int) -> Row:
    """Random vectors, the window full: nothing is near, so that nothing can be skipped."""
    vectors = np.random.default_rng(3).standard_normal((window + 4 * BATCH, DIMENSIONS), dtype=np.float32)
    detector = get_detector("similarity", {"max_history_size": window})
    queries = [Query(vector) for vector in vectors]
    for batch in _batched(queries[:window], 4096):
        detector.process_batch(batch)
    turn = cycle(_batched(queries[window:], BATCH))
    kept, new, out = vectors[:window], vectors[window : window + BATCH].copy(), np.empty((window, BATCH), np.float32)
    cost, limit = medians(lambda: detector.process_batch(next(turn)), lambda: np.matmul(kept, new.T, out=out), BATCH)
    target = limit / 0.75 if window <= 10_000 else 300.0
    return _row(f"similarity, 384-d, window {window // 1000}k, batch 256", cost, limit, "exact sgemm", target)


def image_repetition() -> Row:
    """Noise pictures of 64 x 64 grey levels, batches of 1,000."""
    pictures = np.random.default_rng(4).integers(0, 256, (1000, 64, 64), dtype=np.uint8)
    batch = [Query(picture) for picture in pictures]
    detector = get_detector("image_repetition", {"max_history_size": 10_000})
    waves = np.ones((64, 8), dtype=np.float32)
    cost, limit = medians(
        lambda: detector.process_batch(batch),
        lambda: [picture.astype(np.float32) @ waves for picture in pictures],
        1000,
    )
    return _row("image repetition, 64 x 64, batch 1,000", cost, limit, "pixels to floats, one product", 10.0)


def _row(name: str, cost: float, limit: float, limit_of: str, target: float) -> Row:
    return Row(name, cost, "µs/query", limit, limit_of, target)


def medians(work: Callable[[], Any], limit: Callable[[], Any], queries: int) -> tuple[float, float]:
    """CPU microseconds a query of both, measured in turns."""
    costs: tuple[list[float], list[float]] = ([], [])
    with one_thread():
        for _ in range(ROUNDS + 1):
            for run, found in zip((work, limit), costs, strict=True):
                start = time.process_time()
                run()
                found.append((time.process_time() - start) / queries * 1e6)
    # the first round only warms up
    return statistics.median(costs[0][1:]), statistics.median(costs[1][1:])


def _batched(queries: list[Query], size: int) -> Iterator[list[Query]]:
    for start in range(0, len(queries), size):
        yield queries[start : start + size]


def main() -> None:
    """Measure and print the rows of the library alone."""
    unpin()
    print(f"BLAS: {blas()}")
    for found in rows():
        print("  ".join(found.cells()))


if __name__ == "__main__":
    main()
