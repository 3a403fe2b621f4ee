import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.embeddings.image import embed_pictures
from detectors.images import pixels

RNG = np.random.default_rng(13)
WHITE = np.ones((64, 64, 3), np.float32)


def cosine(one, other):
    rows = embed_pictures([pixels(one), pixels(other)]).astype(float)
    return float(rows[0] @ rows[1])


def scene(seed, shape=(64, 64, 3)):
    """A picture of a few soft coloured patches on a ground, 0 to 1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / shape[0]
    picture = np.full(shape, 0.4) + rng.normal(0, 0.1, 3)
    for _ in range(6):
        spot = np.exp(-((x - rng.random()) ** 2 + (y - rng.random()) ** 2) / rng.uniform(0.005, 0.1))
        picture += spot[:, :, None] * rng.normal(0, 0.4, 3)
    return np.clip(picture, 0, 1)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.sampled_from([(64, 64, 3), (28, 28), (5, 9, 1)]))
def test_a_vector_has_unit_length_and_does_not_depend_on_the_other_pictures(seeds, shape):
    pictures = [pixels(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)) for seed in seeds]
    pictures += [picture / np.float32(255) for picture in pictures]
    together = embed_pictures(pictures)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(together, [embed_pictures([picture])[0] for picture in pictures], atol=1e-5)


def test_integers_and_floats_of_a_picture_have_the_same_vector():
    picture = np.rint(scene(1) * 255).astype(np.uint8)
    assert cosine(picture, picture / 255) == pytest.approx(1, abs=1e-6)
    assert cosine(picture, picture.transpose(2, 0, 1)) == pytest.approx(1, abs=1e-6)


def test_brightness_is_told_apart():
    assert 0.9 < cosine(WHITE, 0.85 * WHITE) < 0.999
    assert cosine(WHITE, 0.5 * WHITE) < 0.9
    assert cosine(WHITE, 0 * WHITE) < 0.1


def test_a_dimmed_picture_is_near_and_not_the_same():
    for seed in range(20):
        assert 0.9 < cosine(scene(seed), 0.85 * scene(seed)) < 0.99999


def test_a_flat_picture_is_not_near_to_noise_even_in_the_dark():
    ones = np.ones((224, 224, 3), np.uint8)
    for seed in range(5):
        assert cosine(ones, np.random.default_rng(seed).integers(0, 10, (3, 224, 224))) < 0.9
    assert cosine(np.full((64, 64), 128, np.uint8), RNG.integers(0, 256, (64, 64))) < 0.9


@pytest.mark.parametrize("shape", [(64, 64, 3), (3, 224, 224), (28, 28)])
def test_two_noise_pictures_are_not_near(shape):
    assert max(cosine(RNG.random(shape), RNG.random(shape)) for _ in range(10)) < 0.8


def test_different_scenes_are_not_near_and_slight_noise_changes_little():
    vectors = embed_pictures([pixels(scene(seed)) for seed in range(30)])
    cosines = (vectors @ vectors.T)[np.triu_indices(30, 1)]
    assert np.median(cosines) < 0.5
    assert (cosines > 0.9).mean() < 0.01
    for seed in range(10):
        assert cosine(scene(seed), scene(seed) + RNG.normal(0, 0.03, (64, 64, 3))) > 0.97


def test_noise_on_a_flat_picture_leaves_it_near():
    assert cosine(WHITE / 2, WHITE / 2 + RNG.normal(0, 0.02, WHITE.shape)) > 0.9


def test_colours_of_the_same_brightness_are_told_apart():
    red, green = np.zeros((32, 32, 3)), np.zeros((32, 32, 3))
    red[..., 0], green[..., 1] = 1, 1
    assert cosine(red, green) < 0


def test_sizes_do_not_matter():
    small, large = scene(3), np.repeat(np.repeat(scene(3), 4, axis=0), 4, axis=1)
    assert cosine(small, large) > 0.999


@pytest.mark.parametrize("scale", [-1.0, 2.0, 255.0, 1e30, 3e38])
def test_floats_out_of_range_stay_finite_and_bright_ones_differ(scale):
    vectors = embed_pictures([pixels((scene(4) * scale).astype(np.float32)), pixels(np.zeros((4, 4)))])
    assert np.isfinite(vectors).all()
    assert cosine(np.full((4, 4), 2.0), np.full((4, 4), 200.0)) < 0.9999


def test_no_pictures_have_no_vectors():
    assert embed_pictures([]).shape == (0, 458)
