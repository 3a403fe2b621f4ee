"""The ids of samples that were counted."""

import msgspec

from exporter.health.once import Once


def test_an_id_is_new_once_for_each_sender() -> None:
    once = Once()
    assert [once.is_first("a", "1"), once.is_first("a", "1"), once.is_first("b", "1")] == [True, False, True]
    assert once.is_first("a1", "")
    assert once.is_first("a", "\udc80")


def test_the_last_one_to_two_generations_are_known() -> None:
    once = Once(generation=10)
    assert all(once.is_first("", str(n)) for n in range(25))
    assert not any(once.is_first("", str(n)) for n in range(10, 25))
    assert all(once.is_first("", str(n)) for n in range(10))


def test_ids_come_back_from_a_snapshot() -> None:
    once, after = Once(generation=3), Once(generation=3)
    for n in range(5):
        once.is_first("", str(n))
    after.load(msgspec.msgpack.decode(msgspec.msgpack.encode(once.dump())))
    assert not any(after.is_first("", str(n)) for n in range(5))
    assert after.is_first("", "5")
