"""When queries learn."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from exporter.anomalies.schedule import last_due, spread
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
