"""What one client's evidence amounts to."""

import pytest

from exporter.clients.account import Account, Example, level_of, ratios
from exporter.clients.bits import ALARM, BITS, FAMILIES, HALF_LIFE, MOST, PLACE


def families(**given: float) -> dict[str, float]:
    return dict.fromkeys(FAMILIES, 0.0) | given


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, "ok"),
        ({"variants": 0.49}, "ok"),
        ({"variants": 0.5}, "watch"),
        ({"uncertainty": 0.99, "distribution": 0.99}, "watch"),
        ({"variants": 1.0}, "alarm"),
        ({"variants": 1.99, "repeat": 0.9}, "alarm"),
        ({"variants": 2.0}, "severe"),
        ({"uncertainty": 1.0, "distribution": 1.0}, "severe"),
        ({"repeat": 1.0, "variants": 1.0}, "severe"),
        ({"repeat": 4.0}, "alarm"),
        ({"repeat": 4.0, "variants": 0.9}, "alarm"),
    ],
)
def test_the_level_follows_from_the_families(given: dict[str, float], level: str) -> None:
    assert level_of(families(**given)) == level


def test_a_family_is_as_strong_as_its_strongest_bit() -> None:
    sums = [0.0] * len(BITS)
    sums[PLACE["cluster"]], sums[PLACE["revisit"]], sums[PLACE["exact_repeat"]] = 6.0, 12.0, 3.0
    assert ratios(sums) == families(variants=1.0, repeat=0.25)


def test_sums_stay_between_nothing_and_four_times_the_alarm() -> None:
    account = Account(0.0)
    account.add(0, -5.0)
    assert account.sums[0] == 0.0
    account.add(0, 1000.0)
    assert account.sums[0] == MOST == 4 * ALARM


def test_evidence_halves_in_a_day_and_time_never_runs_backwards() -> None:
    account = Account(0.0)
    account.add(0, 8.0)
    assert account.sums_at(HALF_LIFE)[0] == 4.0
    account.age(HALF_LIFE)
    account.age(0.0)
    assert account.sums[0] == account.sums_at(0.0)[0] == 4.0


def test_an_account_goes_on_after_a_dump() -> None:
    account = Account(5.0)
    account.add(1, 3.0)
    account.queries, account.related, account.in_alarm = 7, 3, ("repeat",)
    account.recent.extend([4, 9])
    account.classes.add(2)
    account.examples.append(Example(5.0, "q", ("exact_repeat",), ("again",)))
    again = Account.load(account.dump())
    assert again.dump() == account.dump()
    assert again.is_latest(9)
    assert not again.is_latest(4)


def test_a_new_account_has_nothing_against_it() -> None:
    account = Account(5.0)
    assert account.sums == account.rates == [0.0] * len(BITS)
    assert (account.queries, account.related, account.evidence, account.turn) == (0, 0, 0.0, 0)
    assert not account.is_latest(0)


def test_an_alarm_by_itself_raises_a_sum_and_never_lowers_it() -> None:
    account = Account(0.0)
    account.raise_to(0, ALARM)
    assert account.sums[0] == ALARM
    account.raise_to(0, 1.0)
    assert account.sums[0] == ALARM
