"""Drift of numbers: Kolmogorov-Smirnov says whether they moved, the stability index and the distance by how much.

All three take sorted samples, so that each is sorted once however many tests look at it.
"""

import numpy as np

#: bins of the stability index, at the quantiles of the reference
BINS = 10


def kolmogorov_smirnov(reference: np.ndarray, current: np.ndarray) -> float:
    """The largest difference of the two distribution functions, 0 (the same) to 1 (apart).

    reference, current: float64 (n,) and (m,), sorted, finite, not empty. Ties count as in scipy's ks_2samp.
    """
    count = len(current)
    below = np.searchsorted(reference, current, side="left") / len(reference)
    up_to = np.searchsorted(reference, current, side="right") / len(reference)
    steps = np.arange(count + 1) / count
    return max(float((steps[1:] - up_to).max()), float((below - steps[:-1]).max()), 0.0)


def kolmogorov_p(statistic: float, reference: int, current: int) -> float:
    """The probability of such a statistic without drift, for samples of these sizes.

    Asymptotic: above the exact value for samples of one size (so that no alarm comes of the approximation), and with
    ties further above. Source: Smirnov 1939, by scipy.special.kolmogorov.
    """
    from scipy.special import kolmogorov

    return float(kolmogorov(statistic * np.sqrt(reference * current / (reference + current))))


def stability_index(reference: np.ndarray, current: np.ndarray) -> float:
    """The population stability index over ten bins with as much of the reference in each, 0 (the same) upwards.

    0.1 is taken for a small change, 0.25 for a large one. An empty bin counts as half a value, so that it is finite.
    reference, current: float64, sorted, finite, not empty.
    """
    edges = np.unique(reference[len(reference) * np.arange(1, BINS) // BINS])
    return index_of_counts(_counts(reference, edges), _counts(current, edges))


def _counts(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    places = np.searchsorted(numbers, edges, side="left")
    return np.diff(places, prepend=0, append=len(numbers))


def index_of_counts(reference: np.ndarray, current: np.ndarray) -> float:
    """The stability index of two rows of counts over the same bins: the symmetric Kullback-Leibler divergence."""
    before = (reference + 0.5) / (reference.sum() + 0.5 * len(reference))
    after = (current + 0.5) / (current.sum() + 0.5 * len(current))
    return float(((after - before) * np.log(after / before)).sum())


def distance(reference: np.ndarray, current: np.ndarray) -> float:
    """Wasserstein's distance divided by the standard deviation of the reference: how far the numbers moved, in sd.

    0 (the same) upwards; infinite when a reference without any spread has moved.
    reference, current: float64, sorted, finite, not empty. Source: Vaserstein 1969.
    """
    if len(reference) == len(current):
        moved = float(np.abs(reference - current).mean())
    else:
        steps = np.union1d(
            np.arange(1, len(reference) + 1) / len(reference), np.arange(1, len(current) + 1) / len(current)
        )
        weights = np.diff(steps, prepend=0.0)
        middles = steps - weights / 2
        before = reference[(middles * len(reference)).astype(np.intp)]
        moved = float(np.abs(before - current[(middles * len(current)).astype(np.intp)]) @ weights)
    spread = float(reference.std())
    return moved / spread if spread > 0 else np.inf if moved > 0 else 0.0
