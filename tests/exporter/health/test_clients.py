"""The clients that ask most and cost most."""

from collections import Counter

import numpy as np

from exporter.health.clients import CAPACITY, SHOWN, Heaviest


def test_the_largest_are_shown_largest_first():
    heaviest = Heaviest()
    heaviest.add({f"c{number}": number for number in range(50)}, 0)
    assert heaviest.top(0) == [(f"c{number}", float(number)) for number in range(49, 49 - SHOWN, -1)]


def test_a_flood_of_names_neither_grows_nor_hides_who_is_large():
    rng, heaviest, true = np.random.default_rng(1), Heaviest(), Counter()
    for batch in range(50):
        names = [f"flood-{batch}-{number}" for number in range(900)] + ["big"] * 100
        rng.shuffle(names)
        heaviest.add(Counter(names), 0)
        true.update(names)
    [(name, kept), *_] = heaviest.top(0)
    assert name == "big"
    assert true["big"] - true.total() / CAPACITY <= kept <= true["big"]
    assert all(len(sums) <= 2 * CAPACITY for sums in heaviest._generations)


def test_sums_are_of_the_last_one_to_two_hours():
    heaviest = Heaviest()
    heaviest.add({"a": 1}, 10_000)
    heaviest.add({"b": 1}, 13_500)
    heaviest.add({"c": 1}, 13_600)
    assert sorted(heaviest.top(13_600)) == [("a", 1), ("b", 1), ("c", 1)]
    heaviest.add({"d": 1}, 17_200)
    assert sorted(heaviest.top(17_200)) == [("c", 1), ("d", 1)]
    assert heaviest.top(17_200 + 3_600) == [("d", 1)]
    assert heaviest.top(17_200 + 7_200) == []
