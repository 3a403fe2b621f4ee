"""Another normal during events: 85 % CPU is fine while a deployment runs, and nothing else is.

A point stands in one context, a name, or in none (the empty name). Each context has a baseline of its own, learned from
its own points alone; one that has been seen too rarely is judged by the ordinary baseline.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.kept import check_same, in_words
from detectors.series.baseline import Baseline
from detectors.series.judgement import Judgement, empty, filled
from detectors.series.options import SeriesOptions

ORDINARY = ""
#: fewer points than this are no normal
LEAST_POINTS = 30
FORMAT = "contexts 1"


class ContextBaseline:
    """The baselines of one series by context, used like one `Baseline`."""

    def __init__(self, options: SeriesOptions | None = None) -> None:
        self.options = options or SeriesOptions()
        self._baselines: dict[str, Baseline] = {ORDINARY: Baseline(self.options)}

    @property
    def contexts(self) -> list[str]:
        """The contexts that have a normal of their own."""
        return sorted(name for name in self._baselines if name != ORDINARY)

    def learn(
        self, times: np.ndarray, values: np.ndarray, contexts: Sequence[str], exclude: np.ndarray | None = None
    ) -> None:
        """As `Baseline.learn`, each point in the context of that name. Raises ValueError without ordinary values."""
        names, usable = np.asarray(contexts, dtype=object), np.isfinite(values)
        usable &= True if exclude is None else ~exclude
        self._baselines = {}
        for name in [ORDINARY, *sorted(set(contexts) - {ORDINARY})]:
            where = (names == name) & usable
            if name == ORDINARY or where.sum() >= LEAST_POINTS:
                # the times of events are no season
                options = self.options if name == ORDINARY else without_season(self.options)
                self._baselines[name] = Baseline(options)
                self._baselines[name].learn(times[where], values[where])

    def judge(self, times: np.ndarray, values: np.ndarray, contexts: Sequence[str]) -> Judgement:
        """As `Baseline.judge`. A context without a normal of its own is judged by the ordinary baseline."""
        used = np.array([name if name in self._baselines else ORDINARY for name in contexts], dtype=object)
        ordinary = self._baselines[ORDINARY]
        out = empty(len(values), ordinary.names, ordinary.features)
        for name in sorted(set(used)):
            where = used == name
            filled(out, where, self._baselines[name].judge(times[where], values[where]))
        return out

    def dump_state(self) -> dict[str, Any]:
        """What was learned, by context, as plain values. Raises ValueError before it has learned."""
        return {"format": FORMAT, "contexts": {name: one.dump_state() for name, one in self._baselines.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `dump_state` gave. Raises ValueError when it is of another format or of other options."""
        check_same(state, format=FORMAT)
        baselines = {}
        with in_words():
            for name, one in state["contexts"].items():
                baselines[name] = Baseline(self.options if name == ORDINARY else without_season(self.options))
                baselines[name].load_state(one)
            self._baselines = {ORDINARY: baselines[ORDINARY], **baselines}


def without_season(options: SeriesOptions) -> SeriesOptions:
    """The same options for points that are not spread over days."""
    return msgspec.structs.replace(options, season="none")
