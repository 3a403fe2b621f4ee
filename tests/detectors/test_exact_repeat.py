"""Exact repeats in their window."""

from collections import Counter

import numpy as np

from detectors.exact_repeat import MOST_CLIENTS, Repeats

RANDOM = np.random.default_rng(2)


def test_counts_are_those_of_a_plain_counter():
    repeats, counts = Repeats(), Counter()
    for number, key in enumerate(RANDOM.integers(0, 20, 300).tolist()):
        counts[key] += 1
        assert repeats.add(key, number, float(number), "a").count == counts[key]


def test_what_came_too_long_ago_is_forgotten():
    repeats = Repeats(seconds=10.0)
    repeats.add(1, 0, 0.0, "a")
    assert repeats.add(1, 1, 9.0, "a").count == 2
    assert repeats.add(1, 2, 18.0, "a").count == 3, "the last one counts, not the first"
    assert repeats.add(1, 3, 28.0, "a").count == 1


def test_keys_and_clients_are_bounded():
    repeats = Repeats(size=10)
    for number in range(100):
        repeats.add(number, number, 0.0, None)
    assert len(repeats) == 10
    assert repeats.get(89) is None
    for number in range(100):
        seen = repeats.add(99, number, 0.0, f"client {number}")
    assert len(seen.clients) == MOST_CLIENTS


def test_a_constant_interval_is_noticed():
    repeats = Repeats()
    steady = [repeats.add(1, n, 30.0 * n + (n % 2), "probe").steady for n in range(10)]
    restless = [repeats.add(2, n, float(n * n), "human").steady for n in range(10)]
    assert steady[-1] >= 7
    assert max(restless[:5]) == 0


def test_it_goes_on_after_a_dump():
    repeats, again = Repeats(), Repeats()
    for number in range(50):
        repeats.add(number % 7, number, float(number), f"c{number % 3}", failed=number % 5 == 0)
    again.load({key: repeats.entry(key) for key in reversed(repeats.held())})
    assert list(again.held()) == list(repeats.held())
    assert [again.entry(key) for key in again.held()] == [repeats.entry(key) for key in repeats.held()]
    assert again.get(3).failed is repeats.get(3).failed


def test_keys_that_come_go_or_lose_a_client_are_to_be_written_down() -> None:
    repeats = Repeats(size=2, seconds=100.0)
    repeats.changed.begin(())
    repeats.add(1, 0, 0.0, "eve")
    repeats.add(2, 1, 1.0, "bob")
    assert repeats.changed.take(10) == [1, 2]
    repeats.erase("eve")
    assert repeats.changed.take(10) == [1]
    repeats.add(3, 2, 2.0, None)  # one more than there is room for: the one that came longest ago goes
    assert sorted(repeats.changed.take(10)) == [1, 3]
    repeats.forget(101.0)
    assert repeats.changed.take(10) == [2]
    repeats.load({})
    assert repeats.changed.is_all
