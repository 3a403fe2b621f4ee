"""Several series at once: combinations that are odd although each value is ordinary.

Each series gives its distance from what was expected, in units of its own spread. The score of a point is the
Mahalanobis distance of these under a robust covariance, divided by the distance that is exceeded once in 100,000
learned points, so that 1 is the alert line. A member without a value counts as where it was expected. Blind to:
combinations that are odd only in a non-linear way.

Source: Mahalanobis 1936; robust by winsorising, Huber 1981; shrinkage, Ledoit & Wolf 2004.
"""

from typing import NamedTuple

import numpy as np

from detectors.series.tail import beyond

#: residuals beyond this many spreads count as this many while the covariance is learned
WINSOR = 3.0
#: share of the correlations that is given up, so that the covariance can be inverted
SHRINK = 0.05
SCALE = 1.4826


class GroupJudgement(NamedTuple):
    """score: float64 (n,), 1 is the alert line. shares: float64 (n, m), of each member, >= 0, rows sum to 1 or 0."""

    score: np.ndarray
    shares: np.ndarray


class Group:
    """How the residuals of some series belong together."""

    def __init__(self) -> None:
        self._centre = self._spread = self._precision = np.empty(0)
        self._line = 0.0

    def learn(self, residuals: np.ndarray) -> None:
        """Take values minus what was expected: float64 (n, m), n >= 1, not finite where there is none.

        Raises ValueError when there is no point or no member.
        """
        if residuals.ndim != 2 or 0 in residuals.shape:
            raise ValueError(f"expected residuals of at least one point and one series, got shape {residuals.shape}")
        known = np.where(np.isfinite(residuals), residuals, np.nan)
        known[:, np.isnan(known).all(axis=0)] = 0.0  # a member that was never there
        self._centre = np.nanmedian(known, axis=0)
        deviation = SCALE * np.nanmedian(np.abs(known - self._centre), axis=0)
        fallback = np.nanstd(known, axis=0)
        self._spread = np.where(deviation > 0, deviation, np.where(fallback > 0, fallback, 1.0))
        rows = self._scaled(residuals)
        clipped = np.clip(rows, -WINSOR, WINSOR)
        covariance = clipped.T @ clipped / len(rows)
        own = np.diag(np.maximum(np.diag(covariance), SHRINK))
        self._precision = np.linalg.inv((1 - SHRINK) * covariance + SHRINK * own)
        self._line = max(beyond(self._distance(rows)), 1e-9)

    def judge(self, residuals: np.ndarray) -> GroupJudgement:
        """Judge points by their residuals, float64 (n, m) of the members that were learned. Changes nothing."""
        rows = self._scaled(residuals)
        parts = np.maximum(rows * (rows @ self._precision), 0.0)
        total = parts.sum(axis=1, keepdims=True)
        shares = np.divide(parts, total, out=np.zeros_like(parts), where=total > 0)
        return GroupJudgement(self._distance(rows) / self._line, shares)

    def _scaled(self, residuals: np.ndarray) -> np.ndarray:
        return np.where(np.isfinite(residuals), (residuals - self._centre) / self._spread, 0.0)

    def _distance(self, rows: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(np.einsum("nm,mk,nk->n", rows, self._precision, rows), 0.0))

    def dump(self) -> dict[str, np.ndarray]:
        """Plain arrays that `load` takes."""
        return {
            "centre": self._centre,
            "spread": self._spread,
            "precision": self._precision,
            "line": np.array([self._line]),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `dump` gave."""
        self._centre, self._spread, self._precision = (state[name] for name in ("centre", "spread", "precision"))
        self._line = float(state["line"][0])
