"""When queries learn."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from exporter.anomalies.schedule import FIRST_RETRY, LONGEST_RETRY, TURN_SECONDS, Turns, last_due, spread
from exporter.config.anomalies import Training

NIGHT = Training(at="02:00", spread=3 * 3600.0)


def test_a_query_has_its_turn_once_a_day_at_the_same_time() -> None:
    begin = datetime(2026, 8, 3, tzinfo=UTC).timestamp()
    turns = sorted({last_due("cpu", NIGHT, "UTC", begin + 600 * number) for number in range(7 * 144)})
    assert [round(after - before) for before, after in pairwise(turns)] == [86_400] * 7
    assert 2 <= (turns[0] % 86_400) / 3600 < 5


def test_queries_are_spread_over_the_span() -> None:
    turns = [spread(f"query {number}", 3600.0) for number in range(200)]
    assert all(0 <= turn < 3600 for turn in turns)
    assert all(sum(part <= turn < part + 900 for turn in turns) > 25 for part in (0, 900, 1800, 2700))


@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 6, 1)])
def test_it_is_night_by_the_clocks_of_the_zone(day: datetime) -> None:
    noon = day.replace(hour=12, tzinfo=ZoneInfo("Europe/Berlin"))
    exact = Training(at="03:30", spread=1e-6)
    due = datetime.fromtimestamp(last_due("cpu", exact, "Europe/Berlin", noon.timestamp()), ZoneInfo("Europe/Berlin"))
    assert (due.date(), due.hour, due.minute) == (day.date(), 3, 30)


LEARNED, NOW = 1e9, 1e9 + 1800.0


def due(turns: Turns, now: float, learned_at: float | None = LEARNED, last_turn: float = LEARNED, ripe: bool = False):
    return turns.is_due("cpu", learned_at, last_turn, ripe, now)


def test_what_has_no_baseline_is_learned_at_once_and_what_has_one_in_the_next_night() -> None:
    assert due(Turns(), NOW, learned_at=None)
    assert not due(Turns(), NOW)
    assert due(Turns(), NOW, last_turn=LEARNED + 1)


def test_what_cannot_be_learned_is_tried_again_later_and_later_up_to_a_bound() -> None:
    turns, now, waits = Turns(), NOW, []
    for _ in range(9):
        turns.failed("cpu", now)
        wait = next(wait for wait in range(1, 10_000) if due(turns, now + wait, learned_at=None))
        waits.append(wait)
        now += wait
    assert waits[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert waits[-2:] == [LONGEST_RETRY] * 2


def test_what_somebody_asks_for_is_learned_at_once_and_once() -> None:
    turns = Turns()
    turns.failed("cpu", NOW)
    turns.request("cpu")
    assert due(turns, NOW)
    turns.begin("cpu")
    assert not due(turns, NOW)


def test_a_query_with_series_that_kept_their_baseline_has_another_turn_soon() -> None:
    turns = Turns()
    turns.learned("cpu", NOW, all_of_it=False)
    assert not due(turns, NOW + TURN_SECONDS - 1)
    assert due(turns, NOW + TURN_SECONDS)
    turns.learned("cpu", NOW, all_of_it=True)
    assert not due(turns, NOW + TURN_SECONDS)


def test_new_series_have_their_turn_when_they_have_enough_points_and_not_too_often() -> None:
    assert not due(Turns(), LEARNED + TURN_SECONDS, ripe=True)
    assert due(Turns(), LEARNED + TURN_SECONDS + 1, ripe=True)


def test_an_older_version_that_people_went_back_to_holds_until_the_next_night() -> None:
    turns = Turns()
    turns.rolled_back("cpu", LEARNED + 900)
    assert not due(turns, NOW, last_turn=LEARNED + 600)
    assert due(turns, NOW, last_turn=LEARNED + 901)
    turns.learned("cpu", NOW, all_of_it=True)
    assert due(turns, NOW, last_turn=LEARNED + 600)
