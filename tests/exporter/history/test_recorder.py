"""Rows are written in batches; whoever adds them never waits, whatever becomes of the database."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from exporter.history.recorder import (
    BATCH,
    FIRST_RETRY,
    KEEP_SECONDS,
    LONGEST_RETRY,
    Once,
    Recorder,
    open_database,
    reason_of,
)
from exporter.history.rows import Drift, InferenceSample, Row
from exporter.history.schema import TABLES
from tests.exporter.conftest import Clock
from tests.exporter.history.conftest import NOW, Settings, Ticks
from tests.exporter.history.postgres import Postgres
from tests.stack.processes import eventually


def sample(number: int = 0, model: str = "chat") -> InferenceSample:
    return InferenceSample(time=NOW + number, model=model, request_id=str(number), latency_seconds=0.1)


def ids(recorder: Recorder) -> list[str]:
    table = TABLES["inference"]
    with recorder.database().read() as connection:
        return list(connection.execute(select(table.c.request_id).order_by(table.c.id)).scalars())


def test_what_is_added_is_written_in_order_and_counted(recorder: Recorder) -> None:
    for number in range(2 * BATCH + 5):
        assert recorder.add("inference", sample(number))
    assert recorder.waiting == 2 * BATCH + 5
    assert recorder.turn()
    assert ids(recorder) == [str(number) for number in range(2 * BATCH + 5)]
    assert (recorder.waiting, recorder.written["inference"]) == (0, 2 * BATCH + 5)
    assert sum(recorder.write_counts) == 3
    assert recorder.succeeded_at == NOW
    assert recorder.size_bytes is not None


def test_what_does_not_fit_is_dropped_and_counted(settings: Settings) -> None:
    recorder = Recorder(settings(queue_rows=3))
    assert [recorder.add("inference", sample(number)) for number in range(5)] == [True] * 3 + [False] * 2
    assert recorder.dropped["queue_full"] == 2
    assert recorder.turn()
    assert recorder.add("inference", sample(9))
    recorder.stop(5)


def test_a_row_that_cannot_be_made_is_counted_and_the_others_are_written(recorder: Recorder) -> None:
    def broken() -> Row:
        raise ValueError("boom")

    recorder.add("inference", broken)
    recorder.add("inference", sample(1))
    recorder.add("inference", lambda: sample(2))
    recorder.add("inference", InferenceSample(time=NOW, model="chat", tokens_input=1 << 80))
    assert recorder.turn()
    assert ids(recorder) == ["1", "2"]
    assert recorder.dropped["invalid"] == 2
    assert recorder.written["inference"] == 2


def queries_by_minute(recorder: Recorder) -> dict[float, int]:
    table = TABLES["rollups"]
    with recorder.database().read() as connection:
        rows = connection.execute(select(table.c.time, func.sum(table.c.queries)).group_by(table.c.time))
        return {time: int(queries) for time, queries in rows}


def test_minutes_that_were_not_written_when_the_process_was_killed_are_counted_after_it(settings: Settings) -> None:
    minute = NOW // 60 * 60
    killed, clock = Recorder(settings(), Clock(NOW)), Clock(NOW + 300)
    killed.minutes.count("chat", minute, 3)
    snapshot = killed.copy()()
    killed.minutes.count("chat", minute + 60, 4)
    recorder = Recorder(settings(), clock)
    recorder.load(snapshot)
    recorder.replaying = True
    recorder.minutes.count("chat", minute + 60, 4)  # judged again
    assert recorder.add("inference", sample())
    assert [row["queries"] for row in recorder.copy()()] == [3, 4]
    recorder.start()
    eventually("they are written", lambda: recorder.written["rollups"] == 2)
    assert queries_by_minute(recorder) == {minute: 3, minute + 60: 4}
    assert recorder.written["inference"] == 0  # it was recorded before
    assert recorder.copy()() == []
    assert recorder.stop(5)


def test_minutes_that_were_written_after_the_last_snapshot_are_not_counted_again(settings: Settings) -> None:
    minute, clock = NOW // 60 * 60, Clock(NOW)
    killed = Recorder(settings(), clock)
    killed.minutes.count("chat", minute, 3)
    snapshot = killed.copy()()
    killed.minutes.count("chat", minute, 2)
    clock.now += 120
    assert killed.turn()
    recorder = Recorder(settings(), clock)
    recorder.load(snapshot)
    recorder.minutes.count("chat", minute, 2)  # judged again, as are those of a model that is not written
    recorder.minutes.count("fraud", minute, 1)
    recorder.start()
    eventually("the other model is written", lambda: recorder.written["rollups"] == 1)
    assert recorder.stop(5)
    assert queries_by_minute(killed) == {minute: 6}
    killed.stop(0)


def test_minutes_of_before_wait_until_the_database_can_be_asked(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    recorder = Recorder(settings(), Clock(NOW + 300))
    before = Recorder(settings(), Clock(NOW))
    before.minutes.count("chat", NOW, 3)
    recorder.load(before.copy()())
    with monkeypatch.context() as away:
        away.setattr("exporter.history.reads.rolled_up", lambda *_: (_ for _ in ()).throw(SQLAlchemyError("away")))
        assert not recorder.turn()
    assert [row["queries"] for row in recorder.copy()()] == [3]
    assert recorder.turn()
    assert recorder.turn()
    assert recorder.written["rollups"] == 1
    recorder.stop(0)


def test_minutes_are_written_once_they_are_over(settings: Settings) -> None:
    clock = Clock(NOW)
    recorder = Recorder(settings(), clock)
    recorder.minutes.count("chat", NOW, 1)
    assert recorder.turn()
    assert recorder.written["rollups"] == 0
    clock.now += 70
    assert recorder.turn()
    assert recorder.written["rollups"] == 1
    recorder.stop(5)


def test_a_stop_writes_what_is_queued_and_the_minute_that_goes_on(settings: Settings) -> None:
    recorder = Recorder(settings(), Clock(NOW))
    recorder.start()
    for number in range(10):
        recorder.add("inference", sample(number))
    recorder.minutes.count("chat", NOW, 10)
    assert recorder.stop(30)
    assert (recorder.written["inference"], recorder.written["rollups"]) == (10, 1)
    assert not recorder.add("inference", sample())
    assert recorder.dropped["stopped"] == 1


def test_a_stop_does_not_wait_for_a_database_that_is_gone(tmp_path: Path, settings: Settings) -> None:
    config = settings(url="postgresql://nobody@127.0.0.1:1/none", password_file=None)
    recorder = Recorder(config)
    recorder.start()
    recorder.add("inference", sample())
    assert not recorder.stop(5)
    assert recorder.dropped["stopped"] >= 1
    assert not recorder.is_up


def test_a_thread_that_writes_tells_when_it_is_done(settings: Settings) -> None:
    recorder = Recorder(settings())
    done = threading.Event()

    def last() -> Row:
        done.set()
        return sample(1)

    recorder.start()
    recorder.add("inference", last)
    assert done.wait(30)
    assert recorder.stop(30)
    assert recorder.written["inference"] == 1


def test_what_is_queued_while_the_server_is_gone_is_written_when_it_is_back(
    postgres: Postgres, settings: Settings
) -> None:
    recorder = Recorder(settings(queue_rows=5), Clock(NOW), Ticks())
    if recorder.database().is_sqlite:
        pytest.skip("a file does not go away")
    recorder.add("inference", sample(0))
    assert recorder.turn()
    postgres.stop()
    try:
        for number in range(1, 8):
            recorder.add("inference", sample(number))
        assert not recorder.turn()
        assert (recorder.is_up, recorder.failures, recorder.dropped["queue_full"]) == (False, 1, 2)
    finally:
        postgres.start()
    assert recorder.turn()
    assert ids(recorder) == ["0", "1", "2", "3", "4", "5"]
    assert recorder.is_up
    recorder.stop(5)


def test_a_locked_file_is_tried_again_and_nothing_is_lost(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not recorder.database().is_sqlite:
        pytest.skip("rows of PostgreSQL are locked one by one")
    assert recorder.turn()
    monkeypatch.setattr("exporter.history.database.LOCK_SECONDS", 0)
    impatient = Recorder(settings(), Clock(NOW), Ticks())
    impatient.add("inference", sample(1))
    with recorder.database().write():
        assert not impatient.turn()
        assert impatient.failures == 1
    assert impatient.turn()
    assert ids(recorder) == ["1"]
    impatient.stop(0)


def test_waits_between_attempts_grow_to_a_bound_and_are_spread(recorder: Recorder) -> None:
    waits = [recorder._next_retry() for _ in range(12)]
    assert FIRST_RETRY / 2 <= waits[0] <= FIRST_RETRY
    assert all(LONGEST_RETRY / 2 <= wait <= LONGEST_RETRY for wait in waits[-3:])


def test_rollups_have_room_of_their_own_while_nothing_is_written(settings: Settings) -> None:
    clock = Clock(NOW)
    recorder = Recorder(settings(queue_rows=2), clock)
    for minute in range(10):
        recorder.minutes.count("chat", NOW + 60 * minute, 1)
    for number in range(2):
        recorder.add("inference", sample(number))
    clock.now += 3_600
    recorder._prepare(recorder.minutes.take())
    assert recorder.waiting == 4
    assert recorder.dropped["queue_full"] == 8
    recorder.stop(0)


def test_old_rows_go_and_new_ones_stay(settings: Settings) -> None:
    clock, ticks = Clock(NOW), Ticks()
    recorder = Recorder(settings(), clock, ticks)
    recorder.add("inference", sample(0))
    assert recorder.turn()
    clock.now += 6.9 * 86_400
    recorder.add("inference", InferenceSample(time=clock.now, model="chat", request_id="new"))
    ticks.now += KEEP_SECONDS
    assert recorder.turn()
    assert ids(recorder) == ["0", "new"]
    clock.now += 0.2 * 86_400
    ticks.now += KEEP_SECONDS
    assert recorder.turn()
    assert ids(recorder) == ["new"]
    recorder.stop(5)


def test_an_error_is_told_without_the_statement_and_its_values(settings: Settings) -> None:
    recorder = Recorder(settings(url="postgresql://nobody@127.0.0.1:1/none", password_file=None))
    with pytest.raises(SQLAlchemyError) as error:
        recorder.database().prepare()
    assert "\n" not in reason_of(error.value)
    assert reason_of(error.value).startswith("OperationalError: ")


def test_readers_share_the_database_of_the_recorder(recorder: Recorder) -> None:
    assert recorder.database() is recorder.database()


@pytest.mark.parametrize("threads", [4])
def test_rows_of_many_threads_are_all_written(settings: Settings, threads: int) -> None:
    recorder = Recorder(settings())
    recorder.start()
    adders: list[threading.Thread] = [
        threading.Thread(target=lambda: [recorder.add("inference", sample(number)) for number in range(200)])
        for _ in range(threads)
    ]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert recorder.stop(30)
    database = open_database(recorder.config)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(TABLES["inference"])).scalar() == 200 * threads
    database.close()


def test_a_row_that_is_given_again_under_its_key_is_written_once(settings: Settings) -> None:
    recorder = Recorder(settings(), Clock(NOW))
    row = Drift(time=NOW, model="chat", source="reported", severity="low")
    for key in (7, 7, 8):
        assert recorder.add("drift", Once(row, key))
        assert recorder.turn()
    with recorder.database().read() as connection:
        assert sorted(connection.execute(select(TABLES["drift"].c.id)).scalars()) == [7, 8]
    recorder.stop(5)
