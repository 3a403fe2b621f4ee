"""The baseline of one series: what is normal, learned from a history, and the judging of points against it."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import msgspec
import numpy as np

from detectors.kept import check_same, in_words, packed, unpacked
from detectors.series import profile
from detectors.series.band import Band
from detectors.series.combine import soft_or
from detectors.series.direction import counts
from detectors.series.forest import Forest
from detectors.series.judgement import Judgement
from detectors.series.learned import Learned
from detectors.series.options import SeriesOptions
from detectors.series.season import week_seconds
from detectors.series.zscore import ZScore

FORMAT, NAN = "baseline 1", float("nan")
#: larger values count as this: their squares could not be summed
LARGEST = 1e100
#: fewer points than this are judged one by one: arrays do not pay for them
FEW = 8
#: numbers of a row that stand before the components
_PLAIN = 5


class Algorithm(Protocol):
    """What judges the points of one series; all arrays are finite, times ascending, hours 0 to 23."""

    names: tuple[str, ...]
    #: what it looks at, where it can say how much each of these made a point odd
    features: tuple[str, ...]

    def learn(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Take a history into a new state."""

    def refresh(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Look at the history again, after points that were judged."""

    def judge(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Components, 1 at the alert line, and the past values that are nearest (n,); learns from each point.

        The components are (n, k + f): those of the names, and then the shares of the features.
        """

    def dump(self) -> dict[str, np.ndarray]:
        """The state as plain arrays."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """The state back."""


ALGORITHMS: dict[str, Callable[[], Algorithm]] = {
    "learned": Learned,
    "zscore": partial(ZScore, "zscore"),
    "robust_zscore": partial(ZScore, "robust_zscore"),
    "isolation_forest": Forest,
}


class Baseline:
    """Learns from a history, then judges points one after the other and goes on learning from them.

    The order is learn, judge, judge, …, refresh, judge, …; times never fall. The expected value changes at learn and
    refresh alone; what has been seen grows at each point, until learn begins anew. About 20 µs a point.
    """

    def __init__(self, options: SeriesOptions | None = None) -> None:
        self.options = options or SeriesOptions()
        self._profile: profile.Profile | None = None
        self._band = Band()
        self._algorithm = ALGORITHMS[self.options.algorithm]()
        self._residuals = np.zeros(1)

    @property
    def names(self) -> tuple[str, ...]:
        """The components of its judgements."""
        return self._algorithm.names

    @property
    def features(self) -> tuple[str, ...]:
        """What its algorithm looks at, where its judgements tell the shares of that."""
        return self._algorithm.features

    @property
    def _width(self) -> int:
        """The numbers of a row."""
        return _PLAIN + len(self.names) + len(self.features)

    @property
    def ready(self) -> bool:
        """Whether it has learned and can judge."""
        return self._profile is not None

    @property
    def season(self) -> str | None:
        """The season of the expected value: none, daily or weekly; None before it has learned."""
        return self._profile.season if self._profile else None

    def learn(self, times: np.ndarray, values: np.ndarray, exclude: np.ndarray | None = None) -> None:
        """Learn what is normal, and forget what was learned before.

        times: seconds since 1970, never falling, float64 (n,). values: float64 (n,), not finite where there is none.
        exclude: bool (n,), points that are no example of normal. Raises ValueError when no value is left.
        """
        times, seconds, values = self._examples(times, values, exclude)
        residuals = self._fit(times, seconds, values)
        self._band = Band()
        self._band.learn(residuals)
        self._algorithm = ALGORITHMS[self.options.algorithm]()
        self._algorithm.learn(times, _hours(seconds), values)

    def refresh(self, times: np.ndarray, values: np.ndarray, exclude: np.ndarray | None = None) -> None:
        """Find season and expected values anew, and keep what has been seen: for each night, at a third of the cost.

        The arguments of `learn`; before it has learned, the same as `learn`.
        """
        if not self.ready:
            return self.learn(times, values, exclude)
        times, seconds, values = self._examples(times, values, exclude)
        self._fit(times, seconds, values)
        self._algorithm.refresh(times, _hours(seconds), values)
        return None

    def _examples(
        self, times: np.ndarray, values: np.ndarray, exclude: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times, seconds of the week and values of the points to learn from."""
        kept = np.isfinite(values) if exclude is None else np.isfinite(values) & ~exclude
        if not kept.any():
            raise ValueError("expected at least one finite value to learn from")
        return times[kept], week_seconds(times[kept], self.options.time_zone), bounded(values[kept])

    def _fit(self, times: np.ndarray, seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Set what is expected; the differences from it."""
        step = typical_step(times)
        self._profile, residuals = profile.fitted(times, seconds, values, self.options.season, step)
        self._residuals = np.quantile(np.abs(residuals), np.linspace(0, 1, 513))
        return residuals

    def judge(self, times: np.ndarray, values: np.ndarray) -> Judgement:
        """Judge points in their order, each from what was before it, and learn from each after it was judged.

        times: seconds since 1970, never falling, float64 (n,). values: float64 (n,); where one is not finite, the
        score is NaN and nothing is learned. Raises ValueError before it has learned.
        """
        fitted, seconds = self._fitted(), week_seconds(times, self.options.time_zone)
        values = bounded(values)
        if len(values) < FEW:
            points = zip(times.tolist(), seconds.tolist(), values.tolist(), strict=True)
            rows = np.array([self.moment(*point) for point in points]).reshape(len(values), self._width)
        else:
            rows = self._block(fitted, times, seconds, values)
        return assembled(rows, values, self.options, self.names, self.features)

    def _block(self, fitted: profile.Profile, times: np.ndarray, seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The same rows as `moment` gives one by one."""
        finite = np.isfinite(values)
        rows = np.full((len(values), self._width), np.nan)
        rows[:, 0] = fitted.expected(seconds)
        residuals = values - rows[:, 0]
        rows[:, 1], rows[:, 2] = self._edges(residuals)
        rows[finite, 3] = 1 - np.searchsorted(self._residuals, np.abs(residuals[finite])) / len(self._residuals)
        components, nearest = self._algorithm.judge(times[finite], _hours(seconds[finite]), values[finite])
        rows[finite, 4], rows[finite, _PLAIN:] = nearest, components
        return rows

    def moment(self, time: float, seconds: float, value: float) -> list[float]:
        """One point as a row for `assembled`, cheaply. seconds: of the week by local clocks, at this time."""
        expected = self._fitted().expected_at(seconds)
        edges = [self._band.lower, self._band.upper]
        if value != value:
            return [expected, *edges, *[NAN] * (self._width - 3)]
        self._band.step(value - expected)
        rarity = 1 - bisect_left(self._residuals, abs(value - expected)) / len(self._residuals)
        hour = int(seconds // 3600 % 24)
        components, nearest = self._algorithm.judge(np.array([time]), np.array([hour]), np.array([value]))
        return [expected, *edges, rarity, float(nearest[0]), *components[0].tolist()]

    def _fitted(self) -> profile.Profile:
        if self._profile is None:
            raise ValueError("expected a baseline that has learned; call learn first")
        return self._profile

    def dump_state(self) -> dict[str, Any]:
        """What was learned, as plain values that any serialiser takes. Raises ValueError before it has learned."""
        fitted = self._fitted()
        arrays = {"levels": fitted.levels, "band": self._band.dump(), "residuals": self._residuals}
        arrays |= {f"algorithm.{name}": values for name, values in self._algorithm.dump().items()}
        return {
            "format": FORMAT,
            "options": msgspec.structs.asdict(self.options),
            "season": fitted.season,
            "arrays": {name: packed(values) for name, values in arrays.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `dump_state` gave, and go on as if nothing had been.

        Raises ValueError when it is of another format or of other options.
        """
        check_same(state, format=FORMAT, options=msgspec.structs.asdict(self.options))
        with in_words():
            arrays = {name: unpacked(value, value["dtype"]).copy() for name, value in state["arrays"].items()}
            self._algorithm.load(
                {name.removeprefix("algorithm."): values for name, values in arrays.items() if "algorithm." in name}
            )
            self._band.load(arrays["band"])
            self._residuals = arrays["residuals"]
            self._profile = profile.Profile(str(state["season"]), arrays["levels"])

    def _edges(self, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distances of the band's edges as they were before each point, which is then taken into account."""
        lower, upper, band = np.empty(len(residuals)), np.empty(len(residuals)), self._band
        for i, residual in enumerate(residuals.tolist()):
            lower[i], upper[i] = band.lower, band.upper
            if residual - residual == 0:  # finite
                band.step(residual)
        return lower, upper


def assembled(
    rows: np.ndarray,
    values: np.ndarray,
    options: SeriesOptions,
    names: tuple[str, ...],
    features: tuple[str, ...] = (),
) -> Judgement:
    """The judgement of values, float64 (n,), from rows of plain numbers, float64 (n, 5 + components + features).

    A row: expected, distance of the lower edge, of the upper edge, rarity, nearest, the components before it is
    looked at whether the deviation counts, and the shares of the features.
    """
    end = _PLAIN + len(names)
    expected, components = rows[:, 0], rows[:, _PLAIN:end]
    of_note = counts(values, expected, options.direction, options.min_deviation, options.min_deviation_ratio)
    of_note |= ~np.isfinite(values)
    # a flat line is no deviation, however small the least one is
    exempt = np.array([name == "flat" and options.direction == "both" for name in names])
    components = np.where(of_note[:, None] | exempt, components, 0.0)
    return Judgement(
        soft_or(components),
        expected,
        expected - rows[:, 1],
        expected + rows[:, 2],
        components,
        rows[:, 4],
        rows[:, 3],
        rows[:, end:],
        names,
        features,
    )


def bounded(values: np.ndarray) -> np.ndarray:
    """Values whose squares can be summed: what is larger counts as the largest; what is not finite as none."""
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan)


def typical_step(times: np.ndarray) -> float:
    """Seconds between points, ordinarily; a minute when there is only one."""
    gaps = [after - before for before, after in pairwise(times[:1000].tolist()) if after > before]
    return float(np.median(gaps)) if gaps else 60.0


def _hours(seconds: np.ndarray) -> np.ndarray:
    """The hour of the day, 0 to 23, of seconds since the beginning of the week."""
    return (seconds // 3600 % 24).astype(np.int64)
