"""Samples of custom metrics from the wire."""

import msgspec
import pytest

from exporter.config import RESERVED_LABELS, Limits
from exporter.formats import Refused, TooMany, Unreadable, custom

LIMITS = Limits(body_queries=3)
HITS = {"name": "hits", "kind": "counter", "value": 1}


def decode(body):
    return custom.decode(body if isinstance(body, bytes) else msgspec.json.encode(body), LIMITS)


def test_one_or_an_array_is_taken_with_its_labels_in_order_and_made_safe():
    [one] = decode(HITS | {"labels": {"b": 'x"} 1\n', "a": ""}})
    assert list(one.labels.items()) == [("a", "_"), ("b", "x___1_")]
    assert len(decode([HITS, HITS])) == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "Hits"}, "name: expected `str` matching regex"),
        ({"name": "1"}, "name: expected `str` matching regex"),
        ({"name": "hits_total"}, "name: hits_total ends as the series of a counter or histogram do: _total, _bucket"),
        ({"name": "lat_count", "kind": "gauge"}, "name: lat_count ends as the series of a counter or histogram do"),
        ({"kind": "summary"}, "kind: expected one of gauge, counter, histogram"),
        ({"value": -1}, "value: a counter grows by 0 or more"),
        ({"value": "1"}, "value: expected `float`, got `str`"),
        ({"labels": {"job": "x"}}, "labels.job: no name that a label may have here"),
        ({"labels": {"A-b": "x"}}, "labels.A-b: no name that a label may have here"),
        ({"labels": {f"l{number}": "x" for number in range(9)}}, "labels: 9, more than the 8 allowed"),
        ({"labels": {"a": 3}}, "labels[...]: expected `str`, got `int`"),
    ],
)
def test_what_is_wrong_is_named(wrong, words):
    for body, place in ((HITS | wrong, ""), ([HITS, HITS | wrong], "[1].")):
        with pytest.raises(Refused) as error:
            decode(body)
        assert str(error.value).startswith(place + words)


@pytest.mark.parametrize("field", HITS)
def test_a_field_that_is_missing_is_named(field):
    with pytest.raises(Refused, match=f"^{field}: missing$"):
        decode({name: value for name, value in HITS.items() if name != field})


@pytest.mark.parametrize("name", sorted(RESERVED_LABELS))
def test_labels_that_others_need_are_refused(name):
    with pytest.raises(Refused):
        decode(HITS | {"labels": {name: "x"}})


def test_no_json_and_too_many_are_not_taken():
    for body in (b"", b"{", b"\xff"):
        with pytest.raises(Unreadable):
            decode(body)
    with pytest.raises(TooMany):
        decode([HITS] * 4)
