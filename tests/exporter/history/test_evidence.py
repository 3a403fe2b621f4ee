"""What is kept of the content of a query."""

import numpy as np
import pytest
from PIL import Image

from exporter.history.evidence import MAX_CHARACTERS, content_of, error_of, redacted


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    assert content_of("my number is 0123456789", "none") is None


def test_the_whole_text_is_kept_up_to_a_bound() -> None:
    assert content_of("my number is 0123456789", "full") == "my number is 0123456789"
    assert content_of("ä" * 10_000_000, "full") == "ä" * MAX_CHARACTERS


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to anna.b+x@mail.example.com, please", "write to <email>, please"),
        ("card 4111 1111 1111 1111 exp 12", "card <number> exp 12"),
        ("call +49-30-1234567", "call +<number>"),
        ("key sk-abcDEF0123456789abcdef!", "key <token>!"),
        ("in 24 hours, twice", "in 24 hours, twice"),
        ("internationalisation-of-words stays", "internationalisation-of-words stays"),
    ],
)
def test_what_looks_private_is_taken_out(text: str, left: str) -> None:
    assert redacted(text) == left
    assert content_of({"text": text}, "redacted") == f'{{"text":"{left}"}}'


@pytest.mark.parametrize("run", ["a", "a-", "1", "a.", "a@", "1-", "+"])
def test_a_run_without_end_is_gone_through_once(run: str) -> None:
    redacted(run * 500_000)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (["a", 1.5], '["a",1.5]'),
        ({"age": 30, "pixels": np.zeros((2, 3), np.uint8)}, '{"age":30,"pixels":"uint8 2 x 3"}'),
        (np.zeros((4, 4, 3), np.float32), "float32 4 x 4 x 3"),
        (Image.new("RGB", (2, 2)), "Image"),
    ],
)
def test_other_inputs_are_kept_as_data_or_by_what_they_measure(value: object, kept: str) -> None:
    assert content_of(value, "full") == kept


@pytest.mark.parametrize(
    ("evidence", "kept"),
    [
        ("none", "timeout"),
        ("redacted", "timeout: timed out on <email>, card <number>"),
        ("full", "timed out on bob@example.com, card 4111 1111"),
    ],
)
def test_of_an_error_its_word_is_kept_and_as_much_of_its_text_as_of_a_query(evidence, kept):
    assert error_of("timed out on bob@example.com, card 4111 1111", evidence) == kept
    assert len(error_of("timed out " + "x " * 500, evidence)) <= 256
