"""Pictures as vectors of 458 numbers: what is in them, and how bright they are.

The content is the picture reduced to 14 x 14 areas of brightness and 4 x 4 of colour, as deviations from its mean in
units of that mean (so that dimming changes nothing), of unit length together with one more number, the flatness: a
picture with faint deviations is near to a flat one, and noise on it counts for little. The brightness is an angle, a
right angle from black to white. The vector is the product of both, so the cosine of two pictures is that of their
contents times that of their difference in brightness.

Blind to detail finer than a fourteenth of the picture. Shifted or turned pictures are other pictures.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from detectors.images import area_weights, stacks

GREY, COLOUR = 14, 4
#: the mean brightness below which deviations no longer count in proportion to it
DARK = 0.005
#: deviations of this size, in units of the mean, weigh as much as the flatness
FAINT = 0.02
#: grey and two colour differences, orthonormal: (3 channels, 3)
AXES = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]).T / np.sqrt([3, 2, 6])


def embed_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors of unit length, float32 (n, 458), of pictures as `images.pixels` gives them, of any shapes."""
    vectors = np.empty((len(pictures), 2 * (GREY * GREY + 2 * COLOUR * COLOUR + 1)), dtype=np.float32)
    for positions, numbers, one in stacks(pictures):
        vectors[positions] = _vectors(numbers, one)
    return vectors


def _vectors(numbers: np.ndarray, one: np.ndarray) -> np.ndarray:
    areas = _areas(numbers)
    brightness = areas[:, : GREY * GREY].mean(axis=1) / np.sqrt(3)
    areas[:, : GREY * GREY] -= brightness[:, None] * np.sqrt(3)
    # colour areas are fewer: each stands for more of the picture
    areas[:, GREY * GREY :] *= GREY / COLOUR
    deviations = areas / (np.sqrt(3) * GREY * (np.abs(brightness) + DARK * one)[:, None])
    content = np.concatenate([deviations, np.full((len(areas), 1), FAINT)], axis=1)
    content /= np.sqrt(np.einsum("ij,ij->i", content, content))[:, None]
    angle = (np.pi / 2 * _place(brightness / one))[:, None]
    return np.concatenate([content * np.cos(angle), content * np.sin(angle)], axis=1)


def _areas(numbers: np.ndarray) -> np.ndarray:
    """Means of the areas, float64 (n, 228), the grey ones first."""
    count, height, width, channels = numbers.shape
    rows = numbers.reshape(count * height, width * channels) @ _across(width, channels)
    rows = rows.reshape(count, height, -1).swapaxes(1, 2)
    grey = rows[:, :GREY].reshape(-1, height) @ _down(height, GREY)
    colour = rows[:, GREY:].reshape(-1, height) @ _down(height, COLOUR)
    return np.concatenate([grey.reshape(count, -1), colour.reshape(count, -1)], axis=1).astype(np.float64)


@lru_cache(maxsize=256)
def _across(width: int, channels: int) -> np.ndarray:
    """Means over areas of a row of pixels, of grey and of both colour differences: float32 (width * channels, 22)."""
    axes = AXES if channels == 3 else np.array([[np.sqrt(3), 0, 0]])
    parts = [(axes[:, 0], GREY), (axes[:, 1], COLOUR), (axes[:, 2], COLOUR)]
    return np.concatenate([np.kron(area_weights(width, cells), axis).T for axis, cells in parts], axis=1).astype(
        np.float32
    )


@lru_cache(maxsize=256)
def _down(height: int, cells: int) -> np.ndarray:
    return area_weights(height, cells).T.astype(np.float32)


def _place(brightness: np.ndarray) -> np.ndarray:
    """0 to 1 as it is; what is brighter goes on in proportion, so that no two brightnesses fall together."""
    return np.where(brightness <= 1, np.clip(brightness, -1, 1), 1 + np.log(np.maximum(brightness, 1)) / np.log(1e39))
