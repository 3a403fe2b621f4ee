import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.embeddings.text import BYTES, PLACES, TEXTS, embed_texts


def cosine(one, other):
    rows = embed_texts([one, other]).astype(float)
    return float(rows[0] @ rows[1])


def naive(text):
    """The vector of one text, one gram after the other."""
    data = b"\x02" + text.encode("utf-8", "surrogatepass") + b"\x03"
    counts = np.zeros(PLACES)
    for size, factor in ((3, 0x9E3779B1), (4, 0x85EBCA6B)):
        for start in range(len(data) - size + 1):
            mixed = int.from_bytes(data[start : start + size], "little") * factor % 2**32
            mixed = (mixed ^ (mixed >> 15)) * 0x2C1B3C6D % 2**32
            counts[mixed >> 23] += 1 if mixed >> 12 & 1 else -1
    roots = np.sign(counts) * np.sqrt(np.abs(counts))
    length = np.linalg.norm(roots)
    return roots / length if length else roots


@settings(deadline=None)
@given(st.lists(st.text(st.characters(), max_size=30), max_size=8))
def test_vectors_are_those_of_the_loop(texts):
    vectors = embed_texts(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), PLACES)
    for vector, text in zip(vectors, texts, strict=True):
        np.testing.assert_allclose(vector, naive(text), atol=1e-6)


def test_more_texts_and_longer_texts_than_go_together_agree_with_the_loop():
    rng = np.random.default_rng(0)
    texts = ["".join(map(chr, rng.integers(97, 123, size))) for size in rng.integers(0, 600, 3 * TEXTS)]
    texts[TEXTS] = "ab" * BYTES
    for vector, text in zip(embed_texts(texts), texts, strict=True):
        np.testing.assert_allclose(vector, naive(text), atol=1e-5)


def test_an_empty_text_points_nowhere_and_one_letter_does_not():
    assert not embed_texts([""]).any()
    assert cosine("a", "a") == pytest.approx(1)
    assert cosine("", "a") == 0


def test_the_same_wording_is_near_and_another_is_not():
    assert cosine("how do i reset my password?", "how do i reset my passwords") > 0.85
    assert cosine("hello world!", "goodbye world!") < 0.9
    assert abs(cosine("how do i reset my password?", "list all open invoices of may")) < 0.4


def test_one_changed_letter_in_a_longer_text_stays_near():
    text = "the quick brown fox jumps over the lazy dog and runs into the dark wood " * 2
    assert cosine(text, text.replace("lazy", "hazy", 1)) > 0.95


def test_half_a_surrogate_pair_is_a_text_like_any():
    assert np.isfinite(embed_texts(["\ud800 broken"])).all()
