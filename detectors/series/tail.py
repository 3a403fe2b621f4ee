"""A threshold beyond what was seen: the value that is exceeded with a small probability, from a sample's upper tail.

Source: peaks over threshold, Pickands 1975; for streams, Siffer et al. 2017.
"""

import math

import numpy as np

#: shares above the three quantiles that the shape of the tail is read from
SHARES = (0.2, 0.1, 0.05)
#: heavier tails than this have no variance; a sample that says so is read as this
HEAVIEST = 0.5


def beyond(sample: np.ndarray, probability: float = 1e-5) -> float:
    """The value that is exceeded with this probability: for a sample of sizes (>= 0), float64 (n,), n >= 1.

    Three quantiles, each with half as many points above as the one before, give the shape of the tail: exponential
    where their distances are equal, heavier where they grow. What lies above the highest quantile, such as
    anomalies in the sample, hardly matters. Raises ValueError for an empty sample.
    """
    if not len(sample):
        raise ValueError("expected a sample of at least one value")
    low, middle, high = np.quantile(sample, [1 - share for share in SHARES]).tolist()
    first, second = middle - low, high - middle
    halvings = math.log2(SHARES[2] / probability)
    shape = min(max(math.log2(second / first), 0.0), HEAVIEST) if first > 0 and second > 0 else 0.0
    growth = 2.0**shape
    return high + second * (growth * (growth**halvings - 1) / (growth - 1) if shape > 1e-6 else halvings)
