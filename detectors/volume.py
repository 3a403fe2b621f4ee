"""Volume: how many queries a client sends, and how many of the model's classes its answers cover, against its peers.

Information only, never evidence: the largest customer sends most. Blind to who sends little.
"""

import numpy as np


def shares_below(counts: np.ndarray) -> np.ndarray:
    """For each client, the share of the other clients that send less: int64 (n,) to float64 (n,), 0 to 1."""
    if len(counts) < 2:
        return np.zeros(len(counts))
    return np.searchsorted(np.sort(counts), counts, side="left") / (len(counts) - 1)


def coverage(classes: int, known: int) -> float:
    """The share of the classes seen so far that one client's answers cover, 0 to 1; 0 when none is known."""
    return min(classes / known, 1.0) if known else 0.0
