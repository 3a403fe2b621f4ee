"""Keys of rows."""

from exporter.history.numbers import Numbers
from tests.exporter.conftest import Clock


def test_keys_grow_even_when_the_clock_does_not(clock: Clock) -> None:
    numbers = Numbers(clock)
    keys = [numbers.next() for _ in range(1_000)]
    clock.now -= 3_600
    keys.append(numbers.next())
    assert keys == sorted(set(keys))


def test_keys_fit_into_64_bits_for_centuries(clock: Clock) -> None:
    clock.now = 4_102_444_800.0  # the year 2100
    assert 0 < Numbers(clock).next() < 1 << 63
