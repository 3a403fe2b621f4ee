"""What is old or too much goes in small deletes, the oldest first."""

from typing import Any

import pytest
from sqlalchemy import select

from exporter.history.database import Database
from exporter.history.retention import CHUNK, ORDER, Retention
from exporter.history.rows import KINDS, InferenceSample, RollUp
from exporter.history.schema import TABLES, alerts
from exporter.history.writer import prepared, write

AGES = {**dict.fromkeys(KINDS, 1_000.0), "rollups": 5_000.0, "alerts": 1_000.0}
ALERT: dict[str, Any] = {
    "fingerprint": "f",
    "model": "",
    "alertname": "A",
    "severity": "",
    "category": "",
    "labels": {},
    "annotations": {},
}


def fill(database: Database, count: int, tag: str = "", start: int = 0) -> None:
    """`count` samples, one a second, and one roll-up a second."""
    seconds = range(start, start + count)
    batch = [prepared("inference", InferenceSample(time=float(n), model="chat", tags={"tag": tag}), n) for n in seconds]
    write(database, batch + [prepared("rollups", RollUp(time=float(n), model="chat"), n) for n in seconds])


def times(database: Database, kind: Any) -> list[float]:
    table = TABLES[kind]
    with database.read() as connection:
        return list(connection.execute(select(table.c.time).order_by(table.c.time)).scalars())


def pages(database: Database) -> int:
    """The bytes of the rows of samples on PostgreSQL, without their indexes."""
    with database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT pg_relation_size('{TABLES['inference'].name}')").scalar_one())


def test_each_kind_is_kept_for_its_own_time(database: Database) -> None:
    fill(database, 1_500)
    steps = list(Retention(database, AGES, 1 << 40).steps(now=2_300.0))
    assert times(database, "inference") == list(map(float, range(1_300, 1_500)))
    assert len(times(database, "rollups")) == 1_500
    assert max(steps) <= CHUNK
    assert sum(steps) == 1_300


def test_an_alert_that_is_heard_of_again_and_again_stays(database: Database) -> None:
    rows = [
        ALERT | {"id": "old", "starts_at": 0.0, "time": 10.0, "firing": False},
        ALERT | {"id": "on", "starts_at": 0.0, "time": 4_900.0, "firing": True},
    ]
    with database.write() as connection:
        connection.execute(alerts.insert(), rows)
    list(Retention(database, AGES, 1 << 40).steps(now=5_000.0))
    with database.read() as connection:
        assert connection.execute(select(alerts.c.id)).scalars().all() == ["on"]


def test_sqlite_shrinks_to_its_bound_by_samples_before_rollups(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL does not shrink")
    fill(database, 4_000, "x" * 200)
    bound = database.size_bytes() * 2 // 3
    list(Retention(database, AGES | {"inference": 1e9, "rollups": 1e9}, bound).steps(now=4_000.0))
    assert database.size_bytes() <= bound
    assert len(times(database, "rollups")) == 4_000
    left = times(database, "inference")
    assert 0 < len(left) < 4_000
    assert left == list(map(float, range(4_000 - len(left), 4_000)))


def test_postgresql_makes_room_for_what_comes_and_does_not_delete_twice_for_one_size(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite shrinks")
    fill(database, 4_000, "x" * 200, start=1_000_000)
    retention = Retention(database, AGES | {"inference": 1e9, "rollups": 1e9}, database.size_bytes() // 2)
    list(retention.steps(now=1_004_000.0))
    assert times(database, "inference")[0] == pytest.approx(1_000_400, abs=1)
    size = database.size_bytes()
    list(retention.steps(now=1_004_000.0))
    assert len(times(database, "inference")) == pytest.approx(3_600, abs=1)
    assert database.size_bytes() == size
    before = pages(database)
    fill(database, 300, "x" * 200, start=1_004_000)
    assert pages(database) == before  # the room of the deleted rows is taken first


def test_every_kind_has_its_place_in_the_order() -> None:
    assert set(ORDER) == set(KINDS)


def test_after_a_shrink_all_room_that_was_freed_is_given_back(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL does not shrink")
    fill(database, 4_000, "x" * 200)
    before = database.size_bytes()
    steps = list(Retention(database, AGES | {"inference": 1e9, "rollups": 1e9}, before - 1).steps(now=4_000.0))
    assert steps == [CHUNK]  # one small delete was enough, because its room was given back before the next
    assert database.size_bytes() < before


def test_what_is_within_age_and_bound_stays(database: Database) -> None:
    fill(database, 1_001)
    assert list(Retention(database, AGES, database.size_bytes()).steps(now=1_000.0)) == []
    assert len(times(database, "inference")) == 1_001
