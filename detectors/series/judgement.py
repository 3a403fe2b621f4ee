"""What a baseline says of points."""

from typing import Any, NamedTuple

import numpy as np


class Judgement(NamedTuple):
    """One entry a point, in the order of the points; NaN wherever a point could not be judged.

    score: 1 is the alert line, the same for every series; 0 is as usual. Unbounded.
    expected, lower, upper: the value that was expected and the band that holds 95 % of values,
    lower <= expected <= upper, in the unit of the series.
    components: float64 (n, k), what each component said, in units of its own alert line; `names` are theirs.
    nearest: the value seen before that is nearest to this one.
    rarity: share of the learned points whose distance from the expected value was at least as large, 0 to 1.
    shares: float64 (n, f), how much of the component is by each of the `features` that its algorithm looks at; rows
    sum to 1, or to 0 below the alert line. Most algorithms have no features.
    """

    score: np.ndarray
    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    components: np.ndarray
    nearest: np.ndarray
    rarity: np.ndarray
    shares: np.ndarray
    names: tuple[str, ...]
    features: tuple[str, ...] = ()


#: the fields with one entry a point
_ARRAYS = ("score", "expected", "lower", "upper", "components", "nearest", "rarity", "shares")


def joined(parts: list[Judgement]) -> Judgement:
    """Judgements of consecutive points as one. Raises ValueError without any, or with other components."""
    if not parts or len({part.names for part in parts}) != 1:
        raise ValueError("expected judgements with the same components")
    whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    return parts[0]._replace(**whole)


def empty(points: int, names: tuple[str, ...], features: tuple[str, ...] = ()) -> Judgement:
    """A judgement of so many points that says nothing yet: NaN everywhere."""
    columns = {name: np.full(points, np.nan) for name in _ARRAYS}
    columns["components"] = np.full((points, len(names)), np.nan)
    columns["shares"] = np.full((points, len(features)), np.nan)
    return Judgement(names=names, features=features, **columns)


def filled(whole: Judgement, where: np.ndarray, part: Judgement) -> None:
    """Write the judgement of the points `where`, bool (n,), into that of all. ValueError: other components."""
    if part.names != whole.names:
        raise ValueError(f"expected the components {', '.join(whole.names)}, got {', '.join(part.names)}")
    for name in _ARRAYS:
        getattr(whole, name)[where] = getattr(part, name)
