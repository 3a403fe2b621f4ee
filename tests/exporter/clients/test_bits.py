"""The constants of the decision."""

import math

import pytest

from exporter.clients.bits import BITS, FAMILIES, PROFILES, is_off, natural_rate, steps


def test_steps_are_the_logarithms_of_the_likelihood_ratios() -> None:
    assert steps(0.05, 0.6) == pytest.approx((math.log(12), math.log(0.4 / 0.95)))


def test_natural_queries_lower_the_evidence_and_those_of_an_attack_raise_it() -> None:
    for bit in BITS:
        hit, miss = steps(bit.p0, bit.p1)
        assert bit.p0 * hit + (1 - bit.p0) * miss < 0 < bit.p1 * hit + (1 - bit.p1) * miss


@pytest.mark.parametrize(
    ("flags", "queries", "rate"), [(0, 200, 0.05), (4, 200, 0.05), (20, 200, 0.1424), (0, 0, 0.05)]
)
def test_the_natural_rate_is_measured_but_never_below_its_default(flags: int, queries: int, rate: float) -> None:
    assert natural_rate(0.05, flags, queries) == pytest.approx(rate, abs=1e-4)


def test_a_bit_that_says_little_is_off() -> None:
    assert is_off(0.3, 0.6)
    assert not is_off(0.29, 0.6)


def test_profiles_and_families_name_what_there_is() -> None:
    names = {bit.name for bit in BITS}
    assert {bit.family for bit in BITS} == set(FAMILIES)
    assert all(profile.bits <= names for profile in PROFILES.values())
    assert PROFILES["default"].bits < PROFILES["strict"].bits
