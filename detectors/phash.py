"""A perceptual hash of pictures: the same for pictures that look alike at the size of a thumbnail.

64 bits as 16 hex digits. The brightness of the picture, averaged to 32 x 32 areas, is split into cosine waves, of which
the 63 longest besides the constant are taken; a bit is set where a wave is stronger than the median one, and the first
bit always. A picture without waves is flat, and its hash is its brightness: 0000000000000000 (black) to
00000000000000ff (white).

What it cannot tell apart: colours of the same brightness; pictures that are not flat and differ in brightness or
contrast only; sizes; detail finer than an eighth of the picture. Pictures can be made to share a hash on purpose.

All sums are sums of whole numbers that a float holds exactly. So a hash does not depend on the order of summing, hence
not on the other pictures of a batch, nor on the machine.

Source: the DCT hash of Zauner 2010, "Implementation and benchmarking of perceptual image hash functions".
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from detectors.images import area_weights, stacks

AREAS, WAVES = 32, 8
#: waves weaker than this (of a brightness 0 to 1, orthonormal) are none: one grey level of 255 in one of 16 areas
FLAT = 5e-4
#: the largest number of a basis; with it the first sums, of up to 64 pixels, stay below 2^24
UNIT = 255
#: what 1.0 is in floats that were made whole numbers: a multiple of 255, so that they meet the integers exactly
WHOLE = 65535


def phashes(pictures: Sequence[np.ndarray]) -> list[str]:
    """The hashes of pictures, in order, as `images.pixels` gives them: uint8 or float32 (height, width, 1 or 3)."""
    hashes = [""] * len(pictures)
    for positions, numbers, one in stacks(pictures):
        for position, text in zip(positions, _hashes(numbers, one), strict=True):
            hashes[position] = text
    return hashes


def _hashes(numbers: np.ndarray, one: np.ndarray) -> list[str]:
    waves, brightness = _waves(numbers, one)
    bits = waves > np.partition(waves[:, 1:], 31, axis=1)[:, 31:32]
    bits[:, 0] = True
    packed = np.packbits(bits, axis=1)
    flat = np.abs(waves[:, 1:]).max(axis=1) < FLAT
    packed[flat, :7] = 0
    packed[flat, 7] = np.rint(255 * np.clip(brightness[flat], 0, 1))
    text = packed.tobytes().hex()
    return [text[start : start + 16] for start in range(0, len(text), 16)]


def _waves(numbers: np.ndarray, one: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strengths of the waves, float64 (n, 64), the constant first, and the mean brightness, float64 (n,)."""
    count, height, width, channels = numbers.shape
    if one[0] != 255:  # floats: 16 bits each, and a product that holds their sums exactly
        numbers, one = np.rint(numbers.astype(np.float64) * WHOLE), one * WHOLE
    down, down_scale = _basis(height)
    across, across_scale = _basis(width)
    columns = np.matmul(down.T.astype(numbers.dtype), numbers.reshape(count, height, width * channels))
    columns = columns.reshape(count * WAVES, width, channels)
    grey = sum(columns[:, :, channel].astype(np.float64) for channel in range(channels))
    sums = (grey @ across).reshape(count, WAVES * WAVES)
    one = one * channels
    brightness = sums[:, 0] / (across[:, 0].sum() * down[:, 0].sum() * one)
    return sums / (across_scale * down_scale * one[:, None]), brightness


@lru_cache(maxsize=256)
def _basis(length: int) -> tuple[np.ndarray, float]:
    """Averaging to areas and the cosine waves in one matrix of whole numbers, float64 (length, waves).

    With it, by how much it is larger than the orthonormal one.
    """
    angles = np.pi * (np.arange(AREAS) + 0.5) * np.arange(WAVES)[:, None] / AREAS
    cosines = np.cos(angles) * np.sqrt(np.where(np.arange(WAVES) == 0, 1, 2) / AREAS)[:, None]
    exact = cosines @ area_weights(length, AREAS)
    scale = UNIT / np.abs(exact).max()
    whole = np.rint(exact * scale)
    for wave in whole[1:]:  # the constant must leave no trace in the waves, in spite of the rounding
        excess = int(wave.sum())
        wave[np.argsort(-np.abs(wave), kind="stable")[: abs(excess)]] -= np.sign(excess)
    return whole.T.copy(), float(scale)
