"""Z-scores: how many standard deviations a value is from what was learned. The simple rules, to choose or to compare.

`zscore` measures from the mean in standard deviations, with the alert line at 4; `robust_zscore` from the median in
scaled median absolute deviations, with the line at 6. Both stay as learned until the next training. Blind to: time of
day, order, and every distribution that is not one hump. An anomaly in the history widens the plain one.

Source: Shewhart 1931; robustly, Iglewicz & Hoaglin 1993.
"""

import numpy as np

LINE = {"zscore": 4.0, "robust_zscore": 6.0}
#: of a Gaussian, the standard deviation in units of the median absolute deviation
SCALE = 1.4826
#: what a deviation from a constant counts as
HIGHEST = 10.0


class ZScore:
    """Centre and spread of one series. name: zscore or robust_zscore, its only component."""

    def __init__(self, name: str) -> None:
        self.names: tuple[str, ...] = (name,)
        self.features: tuple[str, ...] = ()
        self._centre = self._spread = 0.0

    def learn(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """Take a history of finite values, float64 (n,), n >= 1; times and hours do not matter."""
        if self.names == ("zscore",):
            self._centre, self._spread = float(np.mean(values)), float(np.std(values))
        else:
            self._centre = float(np.median(values))
            self._spread = SCALE * float(np.median(np.abs(values - self._centre)))

    def refresh(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> None:
        """The same as `learn`: in between it stays as it was."""
        self.learn(times, hours, values)

    def judge(self, times: np.ndarray, hours: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge finite values: components (n, 1), and the centre as the value that each is compared with (n,)."""
        off = np.abs(values - self._centre)
        found = off / (LINE[self.names[0]] * self._spread) if self._spread > 0 else HIGHEST * (off > 0)
        return found[:, None].astype(np.float64), np.full(len(values), self._centre)

    def dump(self) -> dict[str, np.ndarray]:
        """Plain arrays that `load` takes."""
        return {"centre": np.array([self._centre, self._spread])}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `dump` gave."""
        self._centre, self._spread = state["centre"].tolist()
