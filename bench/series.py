"""Learned normal of series: what a point costs, how quiet clean data is, and what is found.

    [NAB=dir] [CLEAN=1000] python -m bench.series

CPU time of the process. The clean data is CLEAN series (60 if not given; 1,000 take about five minutes) of a week at a
point a minute in two queries, judged after 1,000 points, as live. The labelled data is bench/telemetry.py through the
walk that `vedette backtest` takes. NAB is a folder with data/, combined_windows.json and score.py, which measures
through the command line.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench import bands
from bench.row import Row
from bench.telemetry import CLEAN, DAY, SHAPES, Labelled, clean, labelled
from detectors.series import Baseline, SeriesOptions, in_alarm, judge_together, notifications, walked
from detectors.series.walk import warm_up

TRAINED, WARM_UP, WEEK = 40_320, 1000, 7 * DAY
#: of NAB, whole corpus and with the threshold from the other half: standard, low FP, low FN
NAB_LEAST = {"": (71.0, 62.0, 76.0), "transferred": (69.0, 60.0, 72.0)}
PROFILES = ("standard", "low-FP", "low-FN")
Scores = Callable[[Labelled], np.ndarray]


def rows() -> list[Row]:
    """One row a measurement."""
    return [*cost_rows(), clean_row(int(os.environ.get("CLEAN") or 60)), *labelled_rows(), *nab_rows()]


def cost_rows() -> list[Row]:
    """A point of a query with 100 series, the training of one series, and the size of what was learned."""
    series = [clean("seasonal", seed, TRAINED) for seed in range(5)]
    training, baselines = [], []
    for i in range(100):
        one = series[i % 5]
        baselines.append(Baseline())
        start = time.process_time()
        baselines[-1].learn(one.times, one.values)
        training.append(time.process_time() - start)
    random, last = np.random.default_rng(1), series[0].times[-1]
    points = random.normal(40, 15, (60, 100))
    start = time.process_time()
    for i, values in enumerate(points):
        judge_together(baselines, last + 60.0 * (i + 1), values)
    cost = (time.process_time() - start) / points.size
    size = sum(len(array["data"]) for array in baselines[0].dump_state()["arrays"].values())
    return [
        Row("series, a point of a query", cost * 1e6, "µs/point", target=50.0),
        Row("series, training on 40,320 points", statistics.median(training) * 1e3, "ms/series", target=150.0),
        Row("series, what was learned", size / 1000, "kB/series", target=256.0),
        Row("series, 10,000 at a point a minute", cost * 10_000 / 60 * 100, "% of a core", target=5.0),
    ]


def clean_row(count: int) -> Row:
    """Notifications a day on series without anomalies, in two queries of half of them each."""
    chosen = [(CLEAN[i % len(CLEAN)], 10_000 + i) for i in range(count)]
    halves = (chosen[::2], chosen[1::2])
    found = sum(len(notifications(np.stack([_alarms(*one) for one in half]))) for half in halves if half)
    days = (WEEK - WARM_UP) / DAY
    return Row(f"series, {count:,} clean ones in 2 queries", found / days, "notifications/day", target=1.0)


def _alarms(shape: str, seed: int) -> np.ndarray:
    """A week as it is lived: judged after the warm-up, refreshed each midnight."""
    series, baseline, start, found = clean(shape, seed, WEEK), Baseline(), WARM_UP, []
    while start < WEEK:
        end = min((start // DAY + 1) * DAY, WEEK)
        baseline.refresh(series.times[:start], series.values[:start])
        found.append(baseline.judge(series.times[start:end], series.values[start:end]).score)
        start = end
    return in_alarm(np.concatenate(found))


def labelled_series(seeds: int = 3) -> list[Labelled]:
    """Of each shape, series of two weeks at a point in five minutes and of one week at one a minute."""
    return [
        series
        for shape in SHAPES
        for seed in range(seeds)
        for series in (labelled(shape, seed, 4032, 1000, step=5), labelled(shape, 100 + seed, WEEK, 3000))
    ]


def labelled_rows() -> list[Row]:
    """Incident recall at 1 and 5 false alarms in 1,000 points with one threshold, and areas, beside the best rival."""
    series = labelled_series()
    own = _quality(series, _by("learned"))
    rivals = {name: _quality(series, score) for name, score in RIVALS.items()}
    rows = []
    for i, name in enumerate(QUALITIES):
        best = max(rivals, key=lambda rival: rivals[rival][i])
        rows.append(Row(f"series, synthetic, {name}", own[i], "", rivals[best][i], best, least=rivals[best][i]))
    return rows


def _by(algorithm: str) -> Scores:
    options = SeriesOptions(algorithm=algorithm)  # type: ignore[arg-type]
    return lambda one: walked(one.times, one.values, options)[0].score


def _by_bands(one: Labelled) -> np.ndarray:
    return bands.score(one.times, one.values)[warm_up(len(one.values)) :]


QUALITIES = ("recall at 1 false in 1,000", "recall at 5", "area under precision and recall", "area, mean of series")
#: what people use today, by name: scores of the points behind the warm-up
RIVALS: dict[str, Scores] = {
    "z-score": _by("zscore"),
    "robust z-score": _by("robust_zscore"),
    "isolation forest": _by("isolation_forest"),
    "PromQL bands": _by_bands,
}


def _quality(series: Sequence[Labelled], score: Scores) -> tuple[float, float, float, float]:
    return quality([score(one) for one in series], [one.anomalous[warm_up(len(one.values)) :] for one in series])


def quality(scores: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """Incident recall at 1 and at 5 false alarms in 1,000 ordinary points, and average precision pooled and mean.

    scores: float64 (n,) and truth: bool (n,), one of each a series. An incident is a run of anomalous points.
    """
    from sklearn.metrics import average_precision_score

    ordinary = np.sort(np.concatenate([s[~t] for s, t in zip(scores, truth, strict=True)]))[::-1]
    lines = [ordinary[int(len(ordinary) * share)] for share in (0.001, 0.005)]
    peaks = [peak for s, t in zip(scores, truth, strict=True) for peak in _peaks(s, t)]
    recall = [float(np.mean(np.array(peaks) > line)) for line in lines]
    pooled = average_precision_score(np.concatenate(truth), np.concatenate(scores))
    single = [average_precision_score(t, s) for s, t in zip(scores, truth, strict=True)]
    return recall[0], recall[1], float(pooled), float(np.mean(single))


def _peaks(scores: np.ndarray, truth: np.ndarray) -> list[float]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], truth.astype(int), [0]])))
    return [float(scores[begin:end].max()) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def nab_rows() -> list[Row]:
    """The scores of the Numenta Anomaly Benchmark after the incident hold, where NAB names its folder."""
    found = _nab(Path(os.environ["NAB"])) if os.environ.get("NAB") else {}
    return [
        Row(f"NAB {profile} {kind}".strip(), found.get((kind, profile)), "of 100", least=least)
        for kind, leasts in NAB_LEAST.items()
        for profile, least in zip(PROFILES, leasts, strict=True)
    ]


def _nab(folder: Path) -> dict[tuple[str, str], float]:
    command = [sys.executable, str(folder / "score.py"), "--jobs", "1", "--command", f"{sys.executable} -m exporter"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    numbers = re.findall(r"[\d.-]+", done.stdout.split("incident_score:")[1])
    keys = [(kind, profile) for kind in NAB_LEAST for profile in PROFILES]
    return dict(zip(keys, map(float, numbers), strict=False))


def main() -> None:
    """Measure and print the rows of series alone."""
    for found in rows():
        print("  ".join(found.cells()), flush=True)


if __name__ == "__main__":
    main()
