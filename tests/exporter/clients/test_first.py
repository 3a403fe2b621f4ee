"""What waits for the end of a warm-up."""

import msgspec
import numpy as np
import pytest

from detectors import Query
from detectors.canonical import content_keys
from exporter.clients.first import MOST_BYTES, Waiting, bounded, plain, read

PICTURE = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)


@pytest.mark.parametrize("value", ["a text", [1.0, 2.0], {"x": 1.5, "y": "red"}, [[0.5, 0.25], [1.0, 0.0]]])
def test_what_is_small_stays_as_it_is_over_a_restart(value: object) -> None:
    query = Query(value, [0.9, 0.1], client="a", id="1", timestamp=5.0, error="timeout")
    again = read(msgspec.msgpack.decode(msgspec.msgpack.encode(plain(bounded(query)))))
    assert msgspec.structs.astuple(again) == msgspec.structs.astuple(query)


def test_what_waits_goes_on_from_its_entries_in_any_order() -> None:
    waiting, again = Waiting(), Waiting()
    waiting.add([Query("one"), Query("two")], [1.0, 2.0])
    waiting.add([Query("x" * (MOST_BYTES + 1))], [3.0])
    assert [query.input_data for query in waiting.queries] == ["one", "two", None]
    again.load({place: waiting.entry(place) for place in reversed(waiting.held())})
    assert list(map(plain, again.queries)) == list(map(plain, waiting.queries))
    assert again.times == [1.0, 2.0, 3.0]


def test_what_came_to_wait_and_what_waits_no_longer_is_noted() -> None:
    waiting = Waiting()
    waiting.changed.begin(())
    waiting.add([Query("one"), Query("two")], [1.0, 2.0])
    assert waiting.changed.take(10) == [0, 1]
    waiting.clear()
    assert waiting.changed.take(10) == [0, 1]
    assert (len(waiting), waiting.entry(0)) == (0, None)


@pytest.mark.parametrize("picture", [PICTURE, PICTURE.tolist(), PICTURE[:, :, 0] / 255])
def test_a_large_picture_is_reduced_to_what_detectors_see_of_it(picture: object) -> None:
    again = read(msgspec.msgpack.decode(msgspec.msgpack.encode(plain(bounded(Query(picture))))))
    assert content_keys([again.input_data], b"s" * 32) == content_keys([picture], b"s" * 32)
    assert again.input_data.nbytes < MOST_BYTES


def test_what_else_is_too_large_is_left_out() -> None:
    query = bounded(Query("x" * (MOST_BYTES + 1), {"text": "y" * (MOST_BYTES + 1)}, client="a"))
    assert (query.input_data, query.model_output, query.client) == (None, None, "a")


def test_what_is_just_small_enough_stays() -> None:
    query = bounded(Query("x" * MOST_BYTES, "y" * MOST_BYTES))
    assert query.input_data == "x" * MOST_BYTES
    assert query.model_output == "y" * MOST_BYTES
    assert bounded(Query("x", "y" * (MOST_BYTES + 1))).model_output is None


def test_what_cannot_be_kept_is_left_out() -> None:
    query = bounded(Query(object(), {"text": object()}, client="a"))
    assert (query.input_data, query.model_output, query.client) == (None, None, "a")
