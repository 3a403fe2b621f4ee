"""Synthetic telemetry with known anomalies, and without any: what detectors of series are measured on.

Everything follows from a seed. A series is a shape (what a metric looks like when all is well) and, in the labelled
ones, a few incidents of one kind each, at times and of sizes drawn at random.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

MINUTE, DAY = 60.0, 1440
#: Monday 2026-03-02 00:00 UTC
START = 1_772_409_600.0


class Labelled(NamedTuple):
    """times: seconds since 1970, float64 (n,). values: float64 (n,). anomalous: bool (n,). kinds: of its incidents."""

    shape: str
    times: np.ndarray
    values: np.ndarray
    anomalous: np.ndarray
    kinds: tuple[str, ...]


# -- shapes: (random, minutes since Monday) -> values; a spread of about one in `_size`


def gaussian(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """A level with noise, such as a temperature in a hall."""
    return 50 + 5 * random.standard_normal(len(minutes))


def seasonal(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """A daily course with noise, such as CPU under the load of people."""
    phase = random.uniform(0, 2 * np.pi)
    return 40 + 15 * np.sin(2 * np.pi * minutes / DAY + phase) + 2 * random.standard_normal(len(minutes))


def office(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """High on weekdays from 8 to 18, low else; noise in proportion to the level."""
    hour, day = minutes % DAY / 60, minutes // DAY % 7
    ramp = np.clip(np.minimum(hour - 7, 19 - hour), 0, 1) * (day < 5)
    return (20 + 80 * ramp) * (1 + 0.07 * random.standard_normal(len(minutes)))


def heavy(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """A level with heavy tails on both sides (Student t, 3 degrees of freedom)."""
    return 100 + 5 * random.standard_t(3, len(minutes))


def latency(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """Log-normal around a level with a slight daily course, such as seconds of an answer."""
    course = 0.3 * np.sin(2 * np.pi * minutes / DAY)
    return np.exp(-2 + course + 0.4 * random.standard_normal(len(minutes)))


def requests(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """Counts a minute (Poisson) with a daily course."""
    return random.poisson(30 * (1.2 + np.sin(2 * np.pi * minutes / DAY))).astype(float)


def wandering(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """A level that wanders and comes back over hours (autoregressive), such as memory in use."""
    noise, level = random.standard_normal(len(minutes)), np.empty(len(minutes))
    level[0] = 5 * noise[0]
    for i in range(1, len(minutes)):
        level[i] = 0.995 * level[i - 1] + 0.5 * noise[i]
    return 200 + level + 0.5 * random.standard_normal(len(minutes))


def batch(random: np.random.Generator, minutes: np.ndarray) -> np.ndarray:
    """Idle, and busy for ten minutes each hour, such as a disk under a scheduled job."""
    busy = minutes % 60 < 10
    return np.where(busy, 300.0, 20.0) + random.standard_normal(len(minutes)) * np.where(busy, 20.0, 3.0)


SHAPES: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "gaussian": gaussian,
    "seasonal": seasonal,
    "office": office,
    "heavy": heavy,
    "latency": latency,
    "requests": requests,
    "wandering": wandering,
    "batch": batch,
}
#: what a service is expected to be silent on
CLEAN = ("gaussian", "seasonal", "heavy")


# -- incidents: (random, values, where) -> the values that take the place of those


def spike(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """A few points far up or down."""
    return values[where] + random.choice([-1, 1]) * random.uniform(6, 15) * _noise(values)


def shift(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """Another level for hours."""
    return values[where] + random.choice([-1, 1]) * random.uniform(4, 10) * _noise(values)


def creep(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """A slow rise, then back at once, such as a leak and a restart."""
    return values[where] + np.linspace(0, random.uniform(6, 15), where.stop - where.start) * _noise(values)


def flat(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """The same value again and again, such as a sensor that hangs."""
    return np.full(where.stop - where.start, values[where.start - 1])


def misplaced(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """The values of half a day ago: ordinary ones at the wrong time."""
    return values[where.start - DAY // 2 : where.stop - DAY // 2]


def unrest(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """The same level, but several times the noise."""
    noise = random.standard_normal(where.stop - where.start)
    return values[where] + random.uniform(3, 6) * _noise(values) * noise


def outage(random: np.random.Generator, values: np.ndarray, where: slice) -> np.ndarray:
    """Nothing: zero for a while."""
    return np.zeros(where.stop - where.start)


#: kind -> (what happens, least and most points at one a minute)
INCIDENTS = {
    "spike": (spike, 1, 5),
    "shift": (shift, 60, 360),
    "creep": (creep, 120, 480),
    "flat": (flat, 30, 120),
    "misplaced": (misplaced, 60, 240),
    "unrest": (unrest, 30, 180),
    "outage": (outage, 5, 60),
}
#: no news in these: a misplaced value of a series without a time of day, silence in one that is often there
_SENSELESS = {("gaussian", "misplaced"), ("heavy", "misplaced"), ("batch", "misplaced"), ("wandering", "misplaced")}


def _noise(values: np.ndarray) -> float:
    """The size of ordinary changes from point to point, robustly, as a standard deviation."""
    return float(1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2)) or 1.0


def clean(shape: str, seed: int, points: int, step: int = 1) -> Labelled:
    """A series without anomalies. step: minutes between points."""
    random = np.random.default_rng([seed, list(SHAPES).index(shape)])
    minutes = np.arange(points, dtype=np.float64) * step
    values = SHAPES[shape](random, minutes)
    return Labelled(shape, START + MINUTE * minutes, values, np.zeros(points, bool), ())


def labelled(shape: str, seed: int, points: int, quiet: int, step: int = 1, incidents: int = 4) -> Labelled:
    """A series with that many incidents of different kinds behind its first `quiet` points. step: minutes."""
    series = clean(shape, seed, points, step)
    random = np.random.default_rng([seed, 1, list(SHAPES).index(shape)])
    kinds = [kind for kind in INCIDENTS if (shape, kind) not in _SENSELESS]
    chosen = tuple(random.permutation(kinds)[:incidents].tolist())
    values, room = series.values.copy(), (points - quiet) // incidents
    for i, kind in enumerate(chosen):
        change, least, most = INCIDENTS[kind]
        length = max(1, int(random.integers(least, most + 1)) // (1 if kind == "spike" else step))
        begin = quiet + i * room + int(random.integers(0, max(room - length, 1)))
        where = slice(begin, min(begin + length, points))
        values[where] = change(random, series.values, where)
        series.anomalous[where] = True
    return series._replace(values=values, kinds=chosen)
