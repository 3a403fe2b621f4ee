"""Types in words, and the shapes that sections may have."""

from typing import Annotated, Literal

import msgspec
import pytest

from exporter.config.records import WRONG, Form, Record, convert, expected, shown, text_that, unknown

Even = Annotated[int, Form("an even number")]


class Price(Record, frozen=True, kw_only=True):
    token: float


class Section(Record, frozen=True, kw_only=True):
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    prices: tuple[Price, ...] = ()


def read(kind, value):
    found = {}
    return convert(kind, value, ("x",), found.setdefault), found


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "a text"),
        (int, "a whole number"),
        (float, "a number"),
        (bool, "true or false"),
        (bool | None, "true or false"),
        (Literal["a", "b"], "one of a, b"),
        (tuple[str, ...], "a list"),
        (Price, "a mapping"),
        (Even, "an even number"),
        (Even | None, "an even number"),
    ],
)
def test_a_type_is_told_in_words(kind, words):
    assert expected(kind) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "nothing"), (True, "true"), (5, "5"), ("a\nb", "'a\\nb'"), ([1], "a list"), ({}, "a mapping")],
)
def test_a_value_is_shown_on_one_line(value, words):
    assert shown(value) == words


def test_a_whole_number_is_a_number_but_not_the_other_way_round():
    assert read(float, 5) == (5.0, {})
    assert read(int, 5.5) == (WRONG, {("x",): "expected a whole number, got 5.5"})


def test_lists_of_sections_give_the_path_of_each_mistake():
    value = {"prices": [{"token": 1}, {"token": "x"}, {"tokens": 1}, 5]}
    _, found = read(Section, value)
    assert found == {
        ("x", "prices", 1, "token"): "expected a number, got 'x'",
        ("x", "prices", 2, "tokens"): "unknown key; known: token; did you mean token?",
        ("x", "prices", 2, "token"): "missing, expected a number",
        ("x", "prices", 3): "expected a mapping, got 5",
    }


def test_what_is_wrong_is_replaced_by_its_default_so_that_reading_goes_on():
    section, found = read(Section, {"count": 0, "prices": [5]})
    assert section == Section(count=1, prices=(Price(token=None),))
    assert len(found) == 2


def test_a_key_without_a_value_counts_as_left_out():
    assert read(Section, {"count": None}) == (Section(), {})
    assert read(Price, {"token": None})[1] == {("x", "token"): "missing, expected a number"}


def test_only_a_near_name_is_proposed():
    assert unknown("key", "thresold", ["threshold", "mode"]).endswith("did you mean threshold?")
    assert unknown("key", "zzz", ["threshold", "mode"]) == "unknown key; known: mode, threshold"


def test_a_text_is_taken_as_it_is_where_what_has_to_hold_of_it_holds():
    kind = Annotated[str, Form("small letters", text_that(str.islower))]
    assert read(kind, "abc") == ("abc", {})
    assert read(kind, "aBc") == (WRONG, {("x",): "expected small letters, got 'aBc'"})
    assert read(kind, 5) == (WRONG, {("x",): "expected small letters, got 5; put it in quotes"})
