"""The drift judge: reference, windows, what it says of them, seasons, restarts."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Query
from exporter.config import Drift, DriftReference, DriftWindow
from exporter.drift.judge import DriftJudge
from exporter.drift.worker import Worker
from tests.exporter.drift.conftest import QUICK, see, table

Build = Callable[..., DriftJudge]


def drifted(judge: DriftJudge) -> list[str]:
    assert judge.looked is not None
    return [finding.feature for finding in judge.looked.verdict.drifted]


# -- warming up


def test_a_cold_judge_says_nothing_and_how_far_it_is(judge: Build) -> None:
    cold = judge()
    assert cold.warm_up == 0.0
    see(cold, table(1, 150, seconds=5.0))
    assert cold.warm_up == pytest.approx(0.5)
    assert (cold.reference, cold.looked) == (None, None)


def test_many_queries_in_a_moment_are_no_reference_yet(judge: Build) -> None:
    cold = judge()
    see(cold, table(1, 1000, seconds=1.0))
    assert cold.reference is None
    assert cold.warm_up == pytest.approx(0.1)


def test_the_reference_is_there_with_the_query_that_completes_it(judge: Build) -> None:
    warm = judge()
    queries = table(1, 300)
    see(warm, queries[:-1])
    assert warm.reference is None
    see(warm, queries[-1:])
    assert warm.reference is not None
    assert (warm.reference.source, warm.reference.version, warm.warm_up) == ("first", "1", 1.0)
    assert len(warm.reference.sample.values) == 300


# -- windows


def test_a_window_like_the_reference_is_no_drift_and_a_moved_feature_is_named(judge: Build) -> None:
    warm = judge()
    see(warm, table(1, 300))
    see(warm, table(2, 300, start=20.0))
    assert (warm.severity, drifted(warm)) == (0, [])
    assert warm.windows == {"tested": 1, "skipped": 0, "failed": 0}
    see(warm, table(3, 300, start=40.0, moved=1.0))
    assert drifted(warm) == ["amount"]
    assert warm.severity == 3
    see(warm, table(4, 300, start=60.0))
    assert warm.severity == 0


def test_changed_answers_are_drift_of_the_prediction(judge: Build) -> None:
    warm = judge()
    see(warm, table(1, 300))
    queries = table(2, 300, start=20.0)
    for query in queries:
        query.model_output = [0.9, 0.1]
    see(warm, queries)
    assert set(drifted(warm)) == {"prediction.label", "prediction.confidence"}


def test_answers_that_are_numbers_move_as_numbers_do(judge: Build) -> None:
    warm, random = judge(), np.random.default_rng(1)

    def asked(seed: int, start: float, moved: float = 0.0) -> list[Query]:
        queries = table(seed, 300, start=start)
        for query, price in zip(queries, random.normal(100.0 + 10.0 * moved, 10.0, 300).tolist(), strict=True):
            query.model_output = {"label": price}
        return queries

    see(warm, [*asked(1, 0.0), *asked(2, 20.0)])
    assert warm.severity == 0
    see(warm, asked(3, 40.0, moved=1.0))
    assert drifted(warm) == ["prediction.label"]


def test_other_texts_and_other_pictures_are_drift_of_their_vectors(judge: Build) -> None:
    def texts(words: list[str], start: float) -> list[Query]:
        random = np.random.default_rng(int(start))
        picked = random.choice(words, (300, 5))
        return [Query(" ".join(line), timestamp=start + index / 15) for index, line in enumerate(picked)]

    english, german = ["order", "parcel", "refund", "late", "card"], ["wetter", "regen", "sonne", "kalt", "warm"]
    warm = judge()
    see(warm, texts(english, 0.0))
    see(warm, texts(english, 20.0))
    assert warm.severity == 0
    see(warm, texts(german, 40.0))
    assert "input.embedding" in drifted(warm)

    random = np.random.default_rng(5)
    pictures, ramp = judge(), np.linspace(0, 1, 8)[:, None, None]
    for start, turns in ((0.0, 0), (20.0, 0), (40.0, 2)):
        shots = np.rot90((ramp + random.random((300, 8, 8, 3))) / 2, turns, axes=(1, 2))
        see(pictures, [Query(shot, timestamp=start + index / 15) for index, shot in enumerate(shots)])
    assert drifted(pictures) == ["input.embedding"]


def test_dimmed_pictures_are_drift_even_where_no_two_are_alike(judge: Build) -> None:
    random, warm = np.random.default_rng(5), judge()
    for start, dim in ((0.0, 1.0), (20.0, 1.0), (40.0, 0.5)):
        shots = random.random((300, 8, 8, 3)) * dim
        see(warm, [Query(shot, timestamp=start + index / 15) for index, shot in enumerate(shots)])
        assert bool(warm.severity) == (dim < 1)
    assert {"input.brightness", "input.contrast"} <= set(drifted(warm))


def test_a_slow_model_is_tested_after_a_day_with_what_has_come(judge: Build) -> None:
    warm = judge()
    see(warm, table(1, 300))
    see(warm, table(2, 150, start=20.0, seconds=86_000.0))
    assert warm.looked is None
    see(warm, table(3, 10, start=86_500.0, moved=1.0))
    assert warm.looked is not None
    assert warm.severity == 0


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_windows_end_at_the_same_queries_however_they_are_batched(sizes: list[int], seed: int) -> None:
    queries = [query for part in range(4) for query in table(10 * seed + part, 350, start=20.0 * part)]
    whole, parts = DriftJudge(QUICK, Worker()), DriftJudge(QUICK, Worker())
    see(whole, queries, size=len(queries))
    place = 0
    while place < len(queries):
        size = sizes[place % len(sizes)]
        parts.observe(queries[place : place + size])
        place += size
    parts.worker.finish()
    assert msgspec.msgpack.encode(whole.dump()) == msgspec.msgpack.encode(parts.dump())


def test_windows_that_come_faster_than_they_are_tested_are_skipped_and_counted() -> None:
    class Busy(Worker):
        def submit(self, work: Callable[[], None]) -> bool:
            return False

    busy = DriftJudge(QUICK, Busy())
    see(busy, [*table(1, 300), *table(2, 300, start=20.0)])
    assert (busy.looked, busy.windows["skipped"]) == (None, 1)


def test_a_window_that_cannot_be_tested_is_counted_as_failed(judge: Build, monkeypatch: Any) -> None:
    warm = judge()
    see(warm, table(1, 300))
    monkeypatch.setattr("exporter.drift.judge.compare", lambda *samples: 1 / 0)
    see(warm, table(2, 300, start=20.0))
    assert (warm.looked, warm.windows["failed"]) == (None, 1)


# -- seasons


def test_each_part_of_the_day_has_a_reference_of_its_own(judge: Build) -> None:
    daily = judge(msgspec.structs.replace(QUICK, season="day"))
    night, noon, day = 0.0, 12 * 3600.0, 86_400.0
    see(daily, table(1, 300, start=night))
    see(daily, table(2, 300, start=noon, moved=2.0))
    see(daily, table(3, 300, start=day + night))
    assert daily.severity == 0
    see(daily, table(4, 300, start=day + noon, moved=2.0))
    assert (daily.severity, daily.windows["tested"]) == (0, 2)
    see(daily, table(5, 300, start=2 * day + noon))
    assert drifted(daily) == ["amount"]


def test_a_season_that_ends_before_its_window_is_full_counts_from_100_queries_on(judge: Build) -> None:
    daily = judge(msgspec.structs.replace(QUICK, season="day"))
    see(daily, table(1, 99, start=0.0))
    see(daily, table(2, 120, start=3 * 3600.0))
    see(daily, table(3, 1, start=6 * 3600.0))
    assert daily.warm_up < 1.0
    see(daily, table(4, 1, start=86_400.0))
    assert daily.reference is None
    see(daily, table(5, 1, start=86_400.0 + 3 * 3600.0))
    assert daily.reference is not None


# -- files and frozen windows


@pytest.mark.parametrize("name", ["rows.csv", "rows.ndjson"])
def test_a_file_is_a_reference_from_the_first_query_on(judge: Build, tmp_path: Path, name: str) -> None:
    path, rows = tmp_path / name, [query.input_data for query in table(1, 300)]
    if name == "rows.csv":
        path.write_text("\n".join(["amount,age,kind", *(",".join(map(str, row.values())) for row in rows)]))
    else:
        path.write_bytes(b"\n".join(msgspec.json.encode({"input": row}) for row in rows))
    reference = DriftReference(file=str(path), version="training")
    warm = judge(Drift(reference=reference, window=QUICK.window))
    assert warm.warm_up == 1.0
    assert warm.reference is not None
    assert (warm.reference.source, warm.reference.version) == ("file", "training")
    see(warm, table(2, 300, moved=0.5))
    assert drifted(warm) == ["amount"]


def test_answers_of_which_a_file_knows_nothing_are_no_drift(judge: Build, tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    rows = [query.input_data for query in table(1, 300)]
    path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]))
    warm = judge(Drift(reference=DriftReference(file=str(path)), window=QUICK.window))
    see(warm, table(2, 300))
    assert (warm.severity, drifted(warm)) == (0, [])
    see(warm, table(3, 300, start=20.0, moved=1.0))
    assert drifted(warm) == ["amount"]


def test_answers_that_a_file_holds_are_compared(judge: Build, tmp_path: Path) -> None:
    path = tmp_path / "training.ndjson"
    events = [{"input": query.input_data, "output": {"label": "a"}} for query in table(1, 300)]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    warm = judge(Drift(reference=DriftReference(file=str(path)), window=QUICK.window))
    see(warm, [msgspec.structs.replace(query, model_output={"label": "b"}) for query in table(2, 300)])
    assert drifted(warm) == ["prediction.label"]


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"", "no row"), (b"a,a\n1,2\n", "two columns are named 'a'")]
)
def test_a_file_that_cannot_be_read_is_told_and_nothing_is_looked_for(
    judge: Build, tmp_path: Path, content: bytes | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        broken = judge(Drift(reference=DriftReference(file=str(path))))
    assert reason in caplog.records[0].reason  # type: ignore[attr-defined]
    see(broken, table(1, 600))
    assert (broken.warm_up, broken.looked) == (0.0, None)


def test_a_frozen_window_is_the_reference_from_then_on(judge: Build) -> None:
    warm = judge()
    assert not warm.freeze("spring")
    see(warm, table(1, 300))
    see(warm, table(2, 300, start=20.0, moved=1.0))
    assert warm.severity
    assert warm.freeze("spring")
    assert warm.reference is not None
    assert (warm.reference.source, warm.reference.version, warm.looked) == ("window", "spring", None)
    see(warm, table(3, 300, start=40.0, moved=1.0))
    assert warm.severity == 0


class Later(Worker):
    """Does what was submitted when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], None]] = []

    def submit(self, work: Callable[[], None]) -> bool:
        self.waiting.append(work)
        return True


@pytest.mark.parametrize("change", [lambda judge: judge.freeze("spring"), DriftJudge.begin_anew])
def test_a_window_that_waits_while_the_reference_is_replaced_says_nothing(change: Callable[[DriftJudge], bool]) -> None:
    told: list[Any] = []
    slow = DriftJudge(QUICK, later := Later())
    later.on_looked = lambda name, looked: told.append(looked)
    see(slow, [*table(1, 300), *table(2, 300, start=20.0, moved=1.0)])
    [test] = later.waiting
    assert change(slow)
    test()
    assert (slow.looked, told) == (None, [])
    assert slow.windows == {"tested": 0, "skipped": 1, "failed": 0}


# -- over a restart and a reload

VERSIONED = msgspec.structs.replace(QUICK, reference=msgspec.structs.replace(QUICK.reference, version="2"))


def restarted(judge: DriftJudge, config: Drift = QUICK) -> DriftJudge:
    again = DriftJudge(config, Worker())
    again.load(msgspec.msgpack.decode(msgspec.msgpack.encode(judge.dump())))
    return again


@pytest.mark.parametrize("before", [10, 290, 310, 599, 700])
def test_a_restart_anywhere_changes_nothing(judge: Build, before: int) -> None:
    queries = [*table(1, 300), *table(2, 300, start=20.0), *table(3, 300, start=40.0, moved=0.7)]
    whole, halved = judge(), judge()
    see(whole, queries)
    see(halved, queries[:before])
    halved = restarted(halved)
    see(halved, queries[before:])
    assert msgspec.msgpack.encode(whole.dump()) == msgspec.msgpack.encode(halved.dump())


@pytest.mark.parametrize(
    ("config", "is_kept"), [(QUICK, True), (msgspec.structs.replace(QUICK, season="day"), True), (VERSIONED, False)]
)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_what_accuracy_is_usual_is_learned_anew_for_another_version(
    judge: Build, config: Drift, is_kept: bool, is_frozen: bool
) -> None:
    before = judge()
    see(before, table(1, 900, seconds=60.0))
    if is_frozen:
        assert before.freeze("spring")
    before.feedback.tell("1-0", "1", 0.0)
    after = restarted(before, config)
    assert after.feedback.test.learned == is_kept
    assert after.feedback.tell("1-1", "1", 0.0) == "joined"


def test_a_window_that_waits_for_its_test_is_tested_after_the_restart() -> None:
    class Dead(Worker):
        def submit(self, work: Callable[[], None]) -> bool:
            return True

    dead = DriftJudge(QUICK, Dead())
    see(dead, [*table(1, 300), *table(2, 300, start=20.0, moved=1.0)])
    assert dead.looked is None
    again = restarted(dead)
    again.worker.finish()
    assert drifted(again) == ["amount"]


@pytest.mark.parametrize(
    ("config", "is_kept"),
    [
        (Drift(reference=QUICK.reference, window=DriftWindow(queries=50, interval=1.0)), True),
        (Drift(reference=DriftReference(queries=7), window=QUICK.window), True),
        (Drift(reference=DriftReference(version="2"), window=QUICK.window), False),
        (Drift(reference=QUICK.reference, window=QUICK.window, season="day"), False),
    ],
)
def test_a_reference_is_kept_unless_another_one_is_asked_for(judge: Build, config: Drift, is_kept: bool) -> None:
    warm = judge()
    see(warm, table(1, 300))
    assert (restarted(warm, config).reference is not None) == is_kept


@pytest.mark.parametrize("state", [{}, None, {"feedback": {}}, 7])
def test_what_is_no_dump_is_refused_in_words_and_changes_nothing(judge: Build, state: Any) -> None:
    warm = judge()
    see(warm, table(1, 300))
    with pytest.raises(ValueError, match="the state"):
        warm.load(state)
    assert warm.reference is not None


# -- bounds


def test_a_window_is_full_with_the_query_that_comes_just_when_its_time_is_over(judge: Build) -> None:
    warm = judge()
    see(warm, table(1, 300, seconds=10.0))
    assert warm.reference is not None
    late = judge()
    see(late, table(1, 300, seconds=9.99))
    assert late.reference is None


def test_windows_are_counted_from_the_observation_on(judge: Build) -> None:
    warm = judge()
    see(warm, [*table(1, 300), *table(2, 300, start=20.0)])
    assert warm.windows == {"tested": 1, "skipped": 0, "failed": 0}
    warm.observe_anew()
    assert warm.windows == {"tested": 0, "skipped": 0, "failed": 0}
