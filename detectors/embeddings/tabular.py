"""Rows of features as vectors, without having seen any data.

Each feature becomes the same number of angles, and each angle its cosine and sine: so every feature counts the same,
whatever its scale, and the cosine of two rows is the mean over features of how near their values are, 1 for equal ones.
A number x is placed by asinh(x) and by asinh(1,000,000 x): values are near when they differ by little, in units
(around zero) and in proportion. 24 and 25 are near, 25 and 80 are not, nor are 0.01 and 0.09. A text, true, false or
null is near to nothing but itself.

Source: random Fourier features, Rahimi & Recht 2007, with fixed frequencies.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

#: where the two placings bend from proportion to plain difference
SCALES = np.array([1.0, 1e6])
#: turns per unit of asinh; no two are in a simple ratio, so that far values do not fall together again
FREQUENCIES = np.array([[0.71, 1.33, 2.27, 3.89], [0.83, 1.57, 2.69, 3.37]])
#: vectors beyond this many numbers get fewer angles a feature, at least two
WIDE = 1024


def embed_rows(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Vectors of unit length, float32 (n, d), of rows with the same features in the same order.

    d is 16 per feature up to 64 features, then falls to 4 per feature.
    """
    names = len(rows[0])
    each = max(1, min(FREQUENCIES.shape[1], WIDE // (2 * SCALES.size * names)))
    angles = _angles(rows, FREQUENCIES[:, :each])
    angles = angles.reshape(len(rows), -1)
    return (np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(angles.shape[1])).astype(np.float32)


def _angles(rows: Sequence[Mapping[str, Any]], frequencies: np.ndarray) -> np.ndarray:
    """float64 (n, features, scales, frequencies)."""
    values = [value for row in rows for value in row.values()]
    shape = (len(rows), len(rows[0]), 1, 1)
    if set(map(type, values)) <= {int, float}:
        return _placed(np.array(values, dtype=np.float64)).reshape(*shape[:2], -1, 1) * frequencies
    numeric = np.array([type(value) in (int, float) for value in values])
    plain = [value if is_number else 0.0 for value, is_number in zip(values, numeric, strict=True)]
    angles = _placed(np.array(plain, dtype=np.float64))[:, :, None] * frequencies
    for index in np.flatnonzero(~numeric):
        angles[index] = _category(values[index])[:, : frequencies.shape[1]]
    return angles.reshape(*shape[:2], *angles.shape[1:])


def _placed(values: np.ndarray) -> np.ndarray:
    """float64 (m,) to (m, scales)."""
    # beyond 1e300 the second scale would overflow
    return np.arcsinh(np.clip(values, -1e300, 1e300)[:, None] * SCALES)


def _category(value: Any) -> np.ndarray:
    """Angles that are the value's own, float64 (scales, frequencies), 0 to 2 pi."""
    key = f"{type(value).__name__}:{value}"
    # long texts come from outside and would fill the memory
    return _angles_of(key) if len(key) <= 64 else _angles_of.__wrapped__(key)


@lru_cache(maxsize=4096)
def _angles_of(key: str) -> np.ndarray:
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4 * FREQUENCIES.size).digest()
    return np.frombuffer(digest, dtype="<u4").reshape(FREQUENCIES.shape) * (2 * np.pi / 2**32)
