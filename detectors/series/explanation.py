"""Why a point has its score, for people and for machines."""

from typing import NamedTuple

import numpy as np

from detectors.series.combine import shares
from detectors.series.judgement import Judgement

#: what a component speaks of, in a sentence
MEANINGS = {
    "value": "a value that was never seen",
    "hour": "a value that was never seen at this time of the day",
    "level": "a level that was never seen at this time of the day",
    "flat": "the same value for longer than ever",
    "zscore": "far from the mean",
    "robust_zscore": "far from the median",
    "isolation_forest": "value and recent course are easily set apart from what was learned",
}


class Explanation(NamedTuple):
    """shares: component -> its share of the score, largest first, 0 to 1. The others as in `Judgement`.

    features: what the algorithm looked at -> its share, largest first; they sum to 1, and one below 0 speaks against
    the point being odd. Empty where the algorithm has none, and below the alert line.
    """

    score: float
    value: float
    expected: float
    lower: float
    upper: float
    nearest: float
    rarity: float
    shares: dict[str, float]
    features: dict[str, float]

    def sentence(self) -> str:
        """One sentence for people."""
        reasons = " and ".join(MEANINGS[name] for name, share in self.shares.items() if share >= 0.25)
        most = next((name for name, share in self.features.items() if share > 0), None)
        if most is not None:
            reasons += f" (most of it by the {most})"
        rare = "never" if self.rarity <= 0 else f"in {self.rarity:.1%} of the past"
        return (
            f"{self.value:.6g} instead of about {self.expected:.6g} ({self.lower:.6g} to {self.upper:.6g}): "
            f"{reasons or 'nothing unusual'}; nearest before {self.nearest:.6g}, as far from expected {rare}"
        )


def explain(judgement: Judgement, point: int, value: float) -> Explanation:
    """The explanation of one judged point, given its value. Raises ValueError for a point without a score."""
    if not judgement.score[point] >= 0:
        raise ValueError(f"point {point} was not judged")
    by_component = _ranked(judgement.names, shares(judgement.components[point : point + 1])[0])
    by_feature = _ranked(judgement.features, judgement.shares[point])
    plain = (
        float(getattr(judgement, name)[point]) for name in ("score", "expected", "lower", "upper", "nearest", "rarity")
    )
    score, expected, lower, upper, nearest, rarity = plain
    told = by_feature if any(by_feature.values()) else {}
    return Explanation(score, value, expected, lower, upper, nearest, rarity, by_component, told)


def _ranked(names: tuple[str, ...], row: np.ndarray) -> dict[str, float]:
    """The shares by name, the largest first."""
    return dict(sorted(zip(names, row.tolist(), strict=True), key=lambda pair: -pair[1]))
