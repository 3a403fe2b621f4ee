import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from detectors import InvalidQuery
from detectors.images import MAX_PIXELS, STRIP, area_weights, pixels, stacks

RNG = np.random.default_rng(11)
COLOUR = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def naive_reduced(picture, side=64):
    """The mean of every area, one pixel after the other, in float64."""
    for axis in (0, 1):
        length = picture.shape[axis]
        if length <= side:
            continue
        rows = []
        for row in range(side):
            start, stop = row * length / side, (row + 1) * length / side
            total = 0.0
            for index in range(int(start), min(int(np.ceil(stop)), length)):
                share = min(stop, index + 1) - max(start, index)
                total = total + share * picture.take(index, axis).astype(float)
            rows.append(total / (stop - start))
        picture = np.stack(rows, axis)
    return picture


def test_every_form_of_a_picture_gives_the_same_pixels(tensor):
    forms = [
        COLOUR,
        COLOUR.transpose(2, 0, 1),
        COLOUR.astype(np.int64),
        COLOUR.tolist(),
        Image.fromarray(COLOUR),
        png(Image.fromarray(COLOUR)),
        memoryview(png(Image.fromarray(COLOUR))),
        tensor(COLOUR.transpose(2, 0, 1)),
    ]
    for form in forms:
        np.testing.assert_array_equal(pixels(form), COLOUR)
    for form in (
        COLOUR / 255,
        (COLOUR / 255).astype(np.float32),
        tensor(COLOUR / np.float32(255)),
        (COLOUR / 255).tolist(),
    ):
        np.testing.assert_allclose(pixels(form), COLOUR / 255, atol=1e-6)


def png(image):
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def test_grey_pictures_have_one_channel():
    grey = COLOUR[:, :, 0]
    for form in (grey, grey[:, :, None], grey[None], Image.fromarray(grey)):
        np.testing.assert_array_equal(pixels(form), grey[:, :, None])


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"]
)
def test_all_modes_of_images_can_be_read(mode):
    image = Image.new("RGB", (9, 7), (255, 255, 255))
    image = Image.new("I;16", (9, 7), 65535) if mode == "I;16" else image.convert("L" if mode in "IF" else "RGB")
    image = image if mode == "I;16" else image.point(lambda x: 65535, "I") if mode == "I" else image.convert(mode)
    picture = pixels(image)
    assert picture.shape[:2] == (7, 9)
    if mode == "F":
        assert picture.max() == 255  # floats out of range are kept
    else:
        white = 255 if picture.dtype == np.uint8 else 1
        assert picture == pytest.approx(white, rel=0.02)


def test_what_is_transparent_lies_on_white():
    picture = np.zeros((4, 4, 4), np.uint8)
    assert (pixels(picture) == 1).all()
    picture[:, :, 3] = 255
    assert (pixels(picture) == 0).all()
    palette = Image.new("P", (4, 4), 0)
    palette.info["transparency"] = 0
    assert (pixels(palette) == 1).all()


def test_the_type_decides_the_scale():
    assert pixels(np.ones((4, 4), np.uint8)).dtype == np.uint8
    assert pixels(np.ones((4, 4), np.int32)).dtype == np.uint8
    assert pixels(np.ones((4, 4), bool)).max() == 255
    assert pixels(np.ones((4, 4))).max() == 1
    assert pixels(np.full((4, 4), 200.0)).max() == 200
    assert pixels(np.full((4, 4), -3.0)).min() == -3


def test_the_last_axis_decides_where_the_channels_are():
    assert pixels(np.zeros((5, 6, 3))).shape == (5, 6, 3)
    assert pixels(np.zeros((3, 5, 6))).shape == (5, 6, 3)
    assert pixels(np.zeros((5, 6, 1))).shape == (5, 6, 1)
    assert pixels(np.zeros((1, 5, 6))).shape == (5, 6, 1)
    assert pixels(np.zeros((4, 5, 6))).shape == (5, 6, 3)
    assert pixels(np.zeros((3, 3, 3))).shape == (3, 3, 3)


def test_many_channels_are_averaged_to_grey():
    assert pixels(np.stack([np.zeros((5, 6)), np.ones((5, 6))])).tolist() == np.full((5, 6, 1), 0.5).tolist()
    assert pixels(np.full((7, 5, 6), 255, np.uint8)).tolist() == np.ones((5, 6, 1)).tolist()


@pytest.mark.parametrize("shape", [(65, 64, 3), (224, 224, 3), (100, 10, 1), (10, 1000, 1), (2 * STRIP + 9, 70, 3)])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_larger_pictures_are_reduced_to_the_means_of_their_areas(shape, kind):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    given = picture if kind == "uint8" else (picture / 255).astype(np.float32)
    reduced = pixels(given)
    assert reduced.dtype == np.float32
    assert reduced.shape == (min(64, shape[0]), min(64, shape[1]), shape[2])
    np.testing.assert_allclose(reduced, naive_reduced(picture / 255), atol=1e-5)


def test_a_very_long_picture_takes_no_more_than_itself():
    assert pixels(np.zeros((1, 2_000_000), np.uint8)).shape == (1, 64, 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(5), r"expected height x width, or with channels, got shape \(5,\)"),
        (np.zeros((2, 2, 2, 2)), r"got shape \(2, 2, 2, 2\)"),
        (np.zeros((0, 5)), r"got shape \(0, 5\)"),
        (np.full((2, 2), np.nan), "nan is not a finite number"),
        (np.full((2, 2), 1e300), "inf is not a finite number"),
        (np.full((2, 2), 300), "integers are 0 to 255, got 300; send other scales as floats 0 to 1"),
        (np.full((2, 2), -1), "integers are 0 to 255, got -1"),
        (np.full((2, 2), 1j), "expected integers or floats, got complex128"),
        (np.array([["a"]]), "expected integers or floats, got <U1"),
        ([[1, 2], [3]], "cannot read the image: "),
        (b"nothing like it", "cannot read the image: cannot identify image file"),
        (png(Image.new("RGB", (50, 50)))[:60], "cannot read the image: "),
    ],
)
def test_what_is_no_picture_says_so(value, message):
    with pytest.raises(InvalidQuery, match=f"input_data: .*{message}"):
        pixels(value)


def test_too_many_pixels_are_not_decoded():
    header = png(Image.new("1", (8, 8)))
    huge = header[:16] + (8001).to_bytes(4, "big") * 2 + header[24:]
    huge = huge[:29] + zlib.crc32(huge[12:29]).to_bytes(4, "big") + huge[33:]
    with pytest.raises(InvalidQuery, match=f"the image has {8001 * 8001} pixels, more than {MAX_PIXELS}"):
        pixels(huge)


@pytest.mark.parametrize(("length", "cells"), [(64, 14), (64, 32), (5, 14), (1, 8), (33, 32), (200, 64)])
def test_area_weights_are_shares_that_sum_to_one(length, cells):
    weights = area_weights(length, cells)
    assert weights.shape == (cells, length)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.sum(axis=0), cells / length)
    np.testing.assert_array_equal(area_weights(length, cells, length // 3, length), weights[:, length // 3 :])


def test_stacks_hold_every_picture_once_with_what_one_is_in_it():
    pictures = [COLOUR, COLOUR / np.float32(255), COLOUR[:, :, :1], np.full((20, 30, 3), 400, np.float32), COLOUR] * 20
    seen = {}
    for positions, numbers, one in stacks(pictures):
        for position, picture, unit in zip(positions, numbers, one, strict=True):
            seen[position] = picture / unit
    assert sorted(seen) == list(range(100))
    for position, picture in seen.items():
        scale = 255 if pictures[position].dtype == np.uint8 else 1
        np.testing.assert_allclose(picture, pictures[position] / scale, rtol=1e-5)


def test_the_library_imports_no_large_package_before_it_needs_it():
    code = (
        "import sys, detectors; print([n for n in ('PIL', 'torch', 'pandas', 'scipy', 'sklearn') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_real_tensors_are_read_without_importing_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    np.testing.assert_array_equal(pixels(torch.from_numpy(COLOUR).permute(2, 0, 1)), COLOUR)
    assert pixels(torch.ones(3, 8, 8, requires_grad=True)).max() == 1
