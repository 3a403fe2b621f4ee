"""Components into one score."""

import numpy as np


def soft_or(components: np.ndarray) -> np.ndarray:
    """The square root of the sum of squares of each row: float64 (n, k), >= 0, to float64 (n,).

    As large as the largest component at least. NaN where a component is NaN.
    """
    return np.sqrt(np.einsum("nk,nk->n", components, components))


def shares(components: np.ndarray) -> np.ndarray:
    """How much each component has of the score's square: float64 (n, k), rows sum to 1, or to 0 without news."""
    squares = components * components
    total = squares.sum(axis=1, keepdims=True)
    return np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)
