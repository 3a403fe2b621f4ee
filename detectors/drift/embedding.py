"""Drift of vectors: a classifier two-sample test.

A linear classifier learns on one half of both samples to tell the current from the reference; its scores on the other
half are numbers, and drift is what any test of numbers finds in them. Where it learned nothing, they are distributed
alike, whatever the vectors look like, so that the test is as exact as that of numbers. The two halves are the even and
the odd rows. Blind to a change that no linear view shows (more spread around the same middle), except by the distance
from the middle of the reference, which is given to the classifier as one more number.

Source: Lopez-Paz & Oquab 2017; the classifier is Fisher's discriminant with ridge.
"""

import numpy as np

#: the numbers that a vector is folded into
PLACES = 128
#: weight of the identity against the mean variance of one number
RIDGE = 0.1


def folded(vectors: np.ndarray) -> np.ndarray:
    """Vectors in at most 128 numbers, float32 (n, min(d, 128)); longer ones are sketched, angles nearly kept.

    vectors: float (n, d). Each number goes to a place with a sign, both fixed. Source: Charikar et al. 2002.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.shape[1] <= PLACES:
        return rows
    places = np.arange(rows.shape[1], dtype=np.uint32) * np.uint32(0x9E3779B1)
    signs = 1.0 - 2.0 * (places >> np.uint32(11) & np.uint32(1))
    wide = -(-rows.shape[1] // PLACES) * PLACES
    padded = np.zeros((len(rows), wide), dtype=np.float32)
    padded[:, : rows.shape[1]] = rows * signs
    return padded.reshape(len(rows), -1, PLACES).sum(axis=1)


def held_out_scores(reference: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the odd rows of both by a classifier of the even ones, sorted, float64 (n // 2,) and (m // 2,).

    The higher, the more like the current. reference, current: float (n, d) and (m, d), n and m at least 2, finite.
    """
    before, after = _with_distance(reference, reference), _with_distance(current, reference)
    direction = _direction(before[::2], after[::2])
    return np.sort(before[1::2] @ direction), np.sort(after[1::2] @ direction)


def _with_distance(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The rows from the middle of the reference's learning half, with their distance from it as one more column."""
    middle = reference[::2].mean(axis=0, dtype=np.float64)
    away = rows - middle
    return np.concatenate([away, np.sqrt(np.einsum("ij,ij->i", away, away))[:, None]], axis=1)


def _direction(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    within = np.concatenate([before - before.mean(axis=0), after - after.mean(axis=0)])
    covariance = within.T @ within / len(within)
    ridge = RIDGE * float(np.trace(covariance)) / len(covariance)
    # a spread of nothing at all (all rows equal) leaves the plain difference of the means
    covariance[np.diag_indices_from(covariance)] += ridge if ridge > 0 else 1.0
    return np.linalg.solve(covariance, after.mean(axis=0) - before.mean(axis=0))
