"""True labels as they come."""

import json

import pytest

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.feedback import decode

TRUTH = {"id": "q-1", "label": "fraud"}


def test_one_label_and_an_array_of_them_are_taken():
    [truth] = decode(json.dumps(TRUTH).encode(), Limits())
    assert (truth.id, truth.label, truth.model) == ("q-1", "fraud", None)
    body = json.dumps([TRUTH, {"id": "q-2", "label": 3, "model": "m"}, {"id": "q-3", "label": True}])
    assert [truth.label for truth in decode(body.encode(), Limits())] == ["fraud", 3, True]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"label": "x"}, "id: missing"),
        ([TRUTH, {"id": "q-2"}], "[1].label: missing"),
        (TRUTH | {"id": ""}, "id: expected `str` of length >= 1"),
        (TRUTH | {"label": [1]}, "label: expected `bool | int | float | str`, got `array`"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_taken(body, reason):
    with pytest.raises(Refused) as refused:
        decode(json.dumps(body).encode(), Limits())
    assert refused.value.reason == reason


def test_no_json_and_too_many_are_told_apart():
    with pytest.raises(Unreadable):
        decode(b"id=3", Limits())
    with pytest.raises(TooMany):
        decode(json.dumps([TRUTH] * 3).encode(), Limits(body_queries=2))


def test_nobody_says_from_outside_what_became_of_a_label():
    [truth] = decode(json.dumps(TRUTH | {"told": "joined"}).encode(), Limits())
    assert truth.told == ""
