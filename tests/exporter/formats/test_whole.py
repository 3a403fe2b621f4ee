"""Bodies of which all is taken, or none."""

import msgspec
import pytest

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable
from exporter.formats.whole import Whole, is_array


class Point(msgspec.Struct):
    x: int


points = Whole(Point, lambda _: ())


@pytest.mark.parametrize("body", [b'{"x": 1}', b' \n{"x": 1}', b'[{"x": 1}]', b' [{"x":1}]'])
def test_one_object_and_an_array_of_one_are_the_same(body: bytes) -> None:
    assert list(points.decode(body, Limits())) == [Point(1)]


def test_one_wrong_record_refuses_the_body() -> None:
    with pytest.raises(Refused, match=r"\[1\]\.x: expected `int`, got `str`"):
        points.decode(b'[{"x": 1}, {"x": "a"}]', Limits())


def test_more_records_than_a_body_may_have_are_too_many() -> None:
    with pytest.raises(TooMany):
        points.decode(b'[{"x": 1}, {"x": 2}]', Limits(body_queries=1))


@pytest.mark.parametrize("body", [b"", b" ", b"x", b'{"x": 1'])
def test_what_is_no_json_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Unreadable):
        points.decode(body, Limits())


def test_an_array_may_stand_behind_blanks() -> None:
    assert is_array(b" \n[]")
    assert not is_array(b"{}")
