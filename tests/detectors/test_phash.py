import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.images import pixels
from detectors.phash import AREAS, FLAT, WAVES, phashes

RNG = np.random.default_rng(12)
Y, X = np.mgrid[0:64, 0:64] / 64


def of(*pictures):
    return phashes([pixels(picture) for picture in pictures])


def bits_apart(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


def scene(seed):
    """A smooth picture with some structure, 0 to 1."""
    rng = np.random.default_rng(seed)
    waves = sum(
        rng.normal() / (1 + k) * np.cos(np.pi * (rng.integers(0, 6) * X + rng.integers(0, 6) * Y) + rng.uniform(0, 6))
        for k in range(8)
    )
    return (waves - waves.min()) / (waves.max() - waves.min()) * 0.8 + 0.1


def naive(picture):
    """The same hash by the sums of the definition, in floats."""
    grey = picture.mean(axis=2)
    height, width = grey.shape
    areas = np.zeros((AREAS, AREAS))
    for row in range(AREAS):
        for column in range(AREAS):
            part = grey[row * height // AREAS : (row + 1) * height // AREAS]
            areas[row, column] = part[:, column * width // AREAS : (column + 1) * width // AREAS].mean()
    points = (np.arange(AREAS) + 0.5) * np.pi / AREAS
    waves = np.array(
        [
            (areas * np.cos(u * points)[:, None] * np.cos(v * points)).sum()
            * np.sqrt((1 if u == 0 else 2) * (1 if v == 0 else 2))
            / AREAS
            for u in range(WAVES)
            for v in range(WAVES)
        ]
    )
    assert np.abs(waves[1:]).max() > FLAT
    bits = waves > np.median(waves[1:])
    bits[0] = True
    return int("".join("01"[bit] for bit in bits.astype(int)), 2).to_bytes(8, "big").hex()


def test_the_hash_is_that_of_the_definition_but_for_bits_at_the_median():
    for seed in range(20):
        rough = np.random.default_rng(seed).integers(0, 256, (64, 64), dtype=np.uint8)
        assert bits_apart(of(rough)[0], naive(rough[:, :, None])) <= 2
        smooth = np.rint(scene(seed) * 255).astype(np.uint8)  # many of its waves are next to nothing
        assert bits_apart(of(smooth)[0], naive(smooth[:, :, None])) <= 6


def test_hashes_are_sixteen_hexadecimal_digits():
    for hash_ in of(scene(1), np.zeros((5, 5)), RNG.random((64, 64, 3))):
        assert len(hash_) == 16
        int(hash_, 16)


def test_a_picture_keeps_its_hash_in_every_type_and_number_of_channels():
    grey = np.rint(scene(2) * 255).astype(np.uint8)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    assert len(set(of(grey, colour, grey / 255, colour.transpose(2, 0, 1), (grey / 255).astype(np.float32)))) == 1


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.sampled_from([(64, 64), (64, 64, 3), (17, 40)]))
def test_a_hash_does_not_depend_on_the_other_pictures(seeds, shape):
    pictures = [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for seed in seeds]
    pictures += [picture / 255 for picture in pictures]
    assert of(*pictures) == [of(picture)[0] for picture in pictures]


def test_pictures_with_exact_symmetry_have_stable_hashes():
    for picture in (X, Y, X > 0.5, (X > 0.5) ^ (Y > 0.5), np.eye(64), 1 - X):
        picture = np.rint(np.asarray(picture, float) * 255).astype(np.uint8)
        assert len(set(of(*[picture] * 100))) == 1
        assert of(picture) == of(picture / 255)


def test_slight_noise_and_dimming_change_few_bits_and_another_picture_many():
    for seed in range(10):
        picture = scene(seed)
        same, noisy, dimmed, other = of(
            picture, picture + RNG.normal(0, 0.02, picture.shape), 0.85 * picture, scene(seed + 50)
        )
        assert bits_apart(same, noisy) <= 8
        assert bits_apart(same, dimmed) <= 2
        assert bits_apart(same, other) >= 12


def test_flat_pictures_are_told_apart_by_their_brightness():
    hashes = of(*[np.full((30, 30), level, np.uint8) for level in range(256)])
    assert hashes == [f"{level:016x}" for level in range(256)]
    assert of(np.ones((224, 224, 3)), np.full((3, 50, 50), 0.85)) == [f"{255:016x}", f"{217:016x}"]


def test_flat_pictures_beyond_the_scale_count_as_white_or_black():
    assert of(np.full((9, 9), 200.0), np.full((9, 9), -5.0)) == [f"{255:016x}", f"{0:016x}"]


def test_faint_noise_is_not_flat():
    flat, noise, black = of(np.ones((224, 224, 3), np.uint8), RNG.integers(0, 10, (3, 224, 224)), np.zeros((8, 8)))
    assert len({flat, noise, black}) == 3
    assert int(noise, 16) >> 63 == 1


def test_one_grey_level_in_a_corner_is_still_flat():
    picture = np.full((64, 64), 100, np.uint8)
    picture[0, 0] = 101
    assert of(picture) == [f"{100:016x}"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (64, 1), (2, 3, 3), (7, 50)])
def test_small_pictures_have_hashes_too(shape):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    assert of(picture) == of(picture / 255)
    assert of(np.full(shape, 77, np.uint8)) == [f"{77:016x}"]


def test_huge_floats_have_hashes_too():
    picture = scene(3)
    assert of(picture * 1e37)[0] == of(picture * 1e30)[0]
    assert bits_apart(of(picture)[0], of(picture * 1e30)[0]) <= 2


def test_no_pictures_have_no_hashes():
    assert phashes([]) == []
