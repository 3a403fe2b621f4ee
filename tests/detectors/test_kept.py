import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.kept import Changed, check_same, in_words, packed, unpacked


@given(st.lists(st.integers(-(2**62), 2**62)), st.sampled_from(["<i8", "<f4", "<f8"]))
def test_an_array_comes_back_as_it_was(values, dtype):
    array = np.array(values, dtype=dtype)
    back = unpacked(msgspec.msgpack.decode(msgspec.msgpack.encode(packed(array))), dtype)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


def test_the_shape_of_an_array_comes_back():
    assert unpacked(packed(np.zeros((3, 0, 2))), "<f8").shape == (3, 0, 2)


def test_a_packed_array_does_not_change_with_the_array():
    array = np.zeros(2)
    value = packed(array)
    array[:] = 1
    assert unpacked(value, "<f8").tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (packed(np.zeros(2, np.float32)), "expected an array of <f8, got <f4"),
        ({"dtype": "<f8", "shape": [2], "data": b"1234"}, "buffer size"),
        ({"dtype": "<f8", "shape": [3], "data": bytes(16)}, "reshape"),
        ({"dtype": "<f8", "shape": [2]}, "the state lacks 'data'"),
        (None, "the state has a part of the wrong kind"),
        (7, "the state has a part of the wrong kind"),
    ],
)
def test_what_is_no_such_array_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        unpacked(value, "<f8")


def test_a_state_of_other_properties_is_refused_by_name():
    check_same({"format": "a 1", "size": 3, "more": 1}, format="a 1", size=3)
    for state, message in (
        ({"format": "b 1", "size": 3}, "the state is of format 'b 1', and this detector has 'a 1'"),
        ({"format": "a 1", "size": 4}, "the state is of size 4, and this detector has 3"),
        ({"format": "a 1"}, "the state does not say its size; expected 3"),
        ([], "expected the state of a detector, got list"),
    ):
        with pytest.raises(ValueError, match=message):
            check_same(state, format="a 1", size=3)


def test_errors_that_say_something_themselves_pass():
    with pytest.raises(OSError, match="disk"), in_words():
        raise OSError("disk")


def test_before_anything_is_written_down_anything_may_have_changed() -> None:
    changed = Changed()
    assert changed.is_all
    changed.note("a")
    assert changed.take(10) == []
    changed.begin(["a", "b"])
    assert not changed.is_all
    changed.note("c")
    changed.note("a")
    assert changed.take(2) == ["a", "b"]
    assert changed.take(1) == ["c"]
    assert changed.take(1) == []
    changed.note_all()
    assert changed.is_all


def test_as_many_as_are_counted_are_kept_and_one_more_is_all() -> None:
    changed = Changed(most=3)
    changed.begin(())
    for key in range(3):
        changed.note(key)
    assert not changed.is_all
    changed.note(2)
    assert not changed.is_all
    changed.note(3)
    assert changed.is_all
