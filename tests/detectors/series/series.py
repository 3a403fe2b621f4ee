"""Series that the tests share."""

import numpy as np

#: Monday 2026-03-02 00:00 UTC
START = 1_772_409_600.0


def times(points: int, step: float = 300.0) -> np.ndarray:
    return START + step * np.arange(points)


def noise(points: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 2, points)


def daily(points: int, step: float = 300.0, seed: int = 0) -> np.ndarray:
    """A daily course of 20 up and down with noise of 1."""
    course = 20 * np.sin(2 * np.pi * times(points, step) / 86_400)
    return 100 + course + np.random.default_rng(seed).standard_normal(points)
