"""What the tests of drift share: queries of a table, and judges that need few of them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from detectors import Query
from exporter.config import Drift, DriftReference, DriftWindow
from exporter.drift.judge import DriftJudge
from exporter.drift.worker import Worker

QUICK = Drift(reference=DriftReference(queries=300, interval=10.0), window=DriftWindow(queries=300, interval=10.0))


def table(seed: int, count: int, moved: float = 0.0, start: float = 0.0, seconds: float = 20.0) -> list[Query]:
    """Rows of three features, evenly spread over some time; `amount` is moved by that many sd."""
    random = np.random.default_rng(seed)
    amounts, ages = random.standard_normal((2, count)).tolist()
    kinds = random.choice(["a", "b", "c"], count).tolist()
    times = np.linspace(start, start + seconds, count).tolist()
    return [
        Query({"amount": amount + moved, "age": age, "kind": kind}, [0.2, 0.8], timestamp=time, id=f"{seed}-{index}")
        for index, (amount, age, kind, time) in enumerate(zip(amounts, ages, kinds, times, strict=True))
    ]


@pytest.fixture
def judge() -> Callable[..., DriftJudge]:
    """Builds judges that are content with 300 queries and 10 seconds."""

    def build(config: Drift = QUICK) -> DriftJudge:
        return DriftJudge(config, Worker())

    return build


def see(judge: DriftJudge, queries: Sequence[Query], size: int = 100) -> None:
    """Show queries in batches, and wait for what is said of them."""
    for start in range(0, len(queries), size):
        judge.observe(queries[start : start + size])
    judge.worker.finish()
