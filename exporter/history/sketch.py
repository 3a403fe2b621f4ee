"""A sketch of a distribution of times: small, added to in constant time, merged by adding counts.

Source: Masson, Rim and Lee 2019, DDSketch: buckets whose bounds grow by a constant factor, so that every quantile has
the same relative error.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np

#: relative error of a quantile
ACCURACY = 0.02
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
#: times are kept between these, in seconds; what is shorter or longer counts as the bound
SHORTEST, LONGEST = 1e-6, 1e6


class Sketch:
    """Counts by bucket; bucket i holds gamma^(i-1) < seconds <= gamma^i."""

    __slots__ = ("buckets",)

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self.buckets: Counter[int] = Counter()
        self.extend(seconds)

    def extend(self, seconds: Iterable[float]) -> None:
        """Count times."""
        bounded = np.clip(np.fromiter(seconds, np.float64), SHORTEST, LONGEST)
        buckets, counts = np.unique(np.ceil(np.log(bounded) / _LOG_GAMMA).astype(np.int64), return_counts=True)
        self.buckets.update(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))

    def merge(self, other: Self) -> None:
        """Take over what another one counted."""
        self.buckets.update(other.buckets)

    def quantile(self, share: float) -> float | None:
        """The time below or at which this share (0 to 1) of all lies, within 2 %; None of nothing."""
        rank = share * self.buckets.total() * (1 - 1e-12)  # 0.07 * 100 is above 7
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return 2 * _GAMMA**bucket / (_GAMMA + 1)
        return None

    def pack(self) -> bytes:
        """As bytes: buckets as distances, and their counts."""
        buckets = sorted(self.buckets)
        steps = [bucket - before for bucket, before in zip(buckets, [0, *buckets], strict=False)]
        return msgspec.msgpack.encode((steps, [self.buckets[bucket] for bucket in buckets]))

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """From what `pack` gave; nothing from no bytes. Raises msgspec.DecodeError for anything else."""
        sketch, bucket = cls(), 0
        steps, counts = _decoder.decode(packed) if packed else ([], [])
        for step, count in zip(steps, counts, strict=True):
            bucket += step
            sketch.buckets[bucket] = count
        return sketch


_decoder = msgspec.msgpack.Decoder(tuple[list[int], list[int]])
