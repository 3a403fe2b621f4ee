"""Keys of content."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import text

from detectors import InvalidQuery
from detectors.canonical import canonical_text, content_keys

SALT = b"secret"


@pytest.mark.parametrize(
    ("sent", "same"),
    [
        ("Where is my order?", "where is  my ORDER"),
        ("Where is my order.", "  where, is my order!! "),
        ("ｆｕｌｌ width", "full width"),
        (["Where is", "my order"], "where is my order"),
    ],
)
def test_what_no_model_would_notice_changes_no_key(sent, same):
    first, second = content_keys([sent, same], SALT)
    assert first == second


@pytest.mark.parametrize(
    ("sent", "other"), [("a b", "ab"), ("x=1", "x=2"), ("...", "!!!"), ("don't", "dont"), ("", ".")]
)
def test_other_texts_have_other_keys(sent, other):
    first, second = content_keys([sent, other], SALT)
    assert first != second


def test_a_text_without_words_stays_as_it_is():
    assert canonical_text(" ?!  ?! ") == "?! ?!"


@pytest.mark.parametrize("letter", ["a", "\u00e9"])
def test_marks_without_end_take_no_longer_than_words(letter):
    # found with a pattern that went back: 59 seconds for 64 KiB
    assert canonical_text(letter + "." * 500_000 + letter) == letter + "." * 500_000 + letter
    assert canonical_text(f"{letter} {'.' * 500_000} {letter}") == f"{letter} {letter}"


@given(text(max_size=60) | text("a_. \t\x1f\u00e9\u2003!\u0130", max_size=30))
def test_a_text_is_cut_as_a_pattern_cuts_it(sent):
    folded = sent.strip().lower()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", folded).casefold()
    cut = re.sub(r"[\W_]*(?:\s|$)[\W_]*|^[\W_]+", " ", folded)
    assert canonical_text(sent) == (" ".join(cut.split()) or " ".join(folded.split()))


def test_pictures_have_a_key_of_their_pixels():
    picture = np.zeros((8, 8), np.uint8)
    other = picture.copy()
    other[3, 3] = 1
    keys = content_keys([picture, picture.copy(), other, picture.reshape(4, 16)], SALT)
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3


def test_features_count_by_name_and_numbers_by_place():
    keys = content_keys([{"a": 1, "b": 2}, {"b": 2.0, "a": 1.0}, {"a": 2, "b": 1}, [0.0, 1.0], [-0.0, 1.0]], SALT)
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4]


def test_another_salt_gives_other_keys():
    assert content_keys(["a"], b"one") != content_keys(["a"], b"two")


def test_an_input_that_cannot_be_read_is_named_by_its_position():
    with pytest.raises(InvalidQuery) as error:
        content_keys(["a", {"x": float("nan")}], SALT)
    assert error.value.index == 1
