"""Drift of categories: the chi-square test says whether their frequencies moved, the stability index by how much."""

import numpy as np

#: categories that both samples together hold less of than this are counted as one: below, chi-square promises too much
FEWEST = 10


def counted(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """How often each category comes, int64 (2, k), the rare ones together in the last column.

    reference, current: codes (n,) and (m,), not empty; equal codes are one category. float64, or complex128 with the
    codes of words beside the axis of the numbers: then rare words are apart from rare numbers, in the last two columns.
    """
    codes, places = np.unique(np.concatenate([reference, current]), return_inverse=True)
    counts = np.stack(
        [np.bincount(part, minlength=len(codes)) for part in (places[: len(reference)], places[len(reference) :])]
    )
    rare = counts.sum(axis=0) < FEWEST
    if rare.sum() < 2:
        return counts
    return np.concatenate([counts[:, ~rare], *_together(counts[:, rare], codes.imag[rare] != 0)], axis=1)


def _together(counts: np.ndarray, is_word: np.ndarray) -> list[np.ndarray]:
    """The sums of the counts of numbers and of words, where both are enough; else of all."""
    parts = [counts[:, kind].sum(axis=1, keepdims=True) for kind in (~is_word, is_word)]
    return parts if min(part.sum() for part in parts) >= FEWEST else [parts[0] + parts[1]]


def chi_square_p(counts: np.ndarray) -> float:
    """The probability of such a difference between both rows without drift; 1.0 when there is only one category.

    counts: int64 (2, k), no column and no row of zeros. Pearson's test of homogeneity, k - 1 degrees of freedom, by
    scipy.special.chdtrc. Source: Pearson 1900.
    """
    from scipy.special import chdtrc

    if counts.shape[1] < 2:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return float(chdtrc(counts.shape[1] - 1, ((counts - expected) ** 2 / expected).sum()))
