"""`vedette backtest`: judge a recorded series as if it were live, and print what would have been said."""

import argparse
import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from detectors.series import Judgement, walk
from detectors.series.judgement import joined
from detectors.series.walk import Walked
from exporter import series_file
from exporter.commands import Failure, Usage
from exporter.commands.check import read_config
from exporter.config.anomalies import LearnedNormal
from exporter.series_file import Series, SeriesError

#: points from which a bar shows how far it is, and its length
LONG, WIDTH = 20_000, 40
HEADING = ("timestamp", "value", "anomaly_score", "expected", "lower", "upper", "incident_score")


def backtest(options: argparse.Namespace) -> None:
    """Print one row a point, in order, each from the points up to it alone. Raises Failure."""
    config = read_config(options.config_file)
    series = _series(options, config.anomalies)
    parts, points = [], len(series.times)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(HEADING)
    written = 0
    for part in walk(series.times, series.values, config.anomalies.series_options()):
        out.writerows(_without_judgement(series, written, part.start))
        out.writerows(_rows(series, part.start, part.judgement, part.incident_scores))
        written = part.start + len(part.incident_scores)
        show_progress(written, points)
        if options.plot is not None:
            parts.append(part)
    out.writerows(_without_judgement(series, written, points))
    if options.plot is not None:
        _plot(options.plot, series, parts)


def _series(options: argparse.Namespace, config: LearnedNormal) -> Series:
    """The file, or what the expression gave. Raises Failure."""
    if (options.file is None) == (options.expr is None):
        raise Usage("expected a FILE.csv or --expr, one of the two")
    for name in ("days", "start", "end", "step"):
        if options.file is not None and getattr(options, name) is not None:
            raise Usage(f"--{name} is of --expr: a file is judged as a whole")
    try:
        return series_file.read(options.file) if options.file else _read(options, config)
    except SeriesError as error:
        raise Failure(str(error), says_where=True) from None


def _read(options: argparse.Namespace, config: LearnedNormal) -> Series:
    from exporter.anomalies.blocks import ReadError
    from exporter.commands.anomalies import past_of

    try:
        points = past_of(config, options)
    except ReadError as error:
        raise Failure(str(error)) from None
    stamps = [datetime.fromtimestamp(moment, UTC).isoformat() for moment in points.times.tolist()]
    return Series(stamps, points.times, points.values)


def show_progress(done: int, points: int) -> None:
    """A bar on a terminal's stderr while many points are judged, unless the rows go to a terminal themselves."""
    if points < LONG or not sys.stderr.isatty() or sys.stdout.isatty():
        return
    filled = WIDTH * done // points
    bar = "#" * filled + "." * (WIDTH - filled)
    print(f"\r{bar} {done:,} of {points:,} points", end="" if done < points else "\n", file=sys.stderr, flush=True)


def _plot(path: str, series: Series, parts: list[Walked]) -> None:
    from exporter.series_plot import plot

    if not parts:
        raise Failure(f"{path}: no point was judged, so there is nothing to draw")
    judgement = joined([part.judgement for part in parts])
    try:
        plot(path, series.times, series.values, judgement, np.concatenate([part.incident_scores for part in parts]))
    except ImportError:
        raise Failure("--plot needs matplotlib: pip install 'vedette[plot]'") from None
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror}") from None


def _without_judgement(series: Series, start: int, end: int) -> Iterable[list[str]]:
    return ([series.stamps[i], _cell(series.values[i]), "", "", "", "", ""] for i in range(start, end))


def _rows(series: Series, start: int, judgement: Judgement, incident_scores: np.ndarray) -> Iterable[list[str]]:
    columns = (judgement.score, judgement.expected, judgement.lower, judgement.upper, incident_scores)
    for i, cells in enumerate(zip(*columns, strict=True), start):
        yield [series.stamps[i], _cell(series.values[i]), *map(_cell, cells)]


def _cell(value: float) -> str:
    """A number with all its digits, as short as they allow; empty for none."""
    return "" if value != value else repr(float(value))
