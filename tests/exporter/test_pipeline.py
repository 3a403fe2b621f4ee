"""The queue and the judging thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pytest

from detectors import Query
from exporter.config import Config, DetectorConfig, Model, OwnDrift, OwnDriftReference, OwnDriftWindow
from exporter.delivery import CANARY, Delivery, Outcome
from exporter.formats.feedback import Truth
from exporter.models import Models
from exporter.pipeline import BATCH, DELAY_BUCKETS, UNWEIGHED, Pipeline
from exporter.unweighed import PART
from tests.exporter.conftest import SURE, UNSURE, Clock, LengthDetector
from tests.stack.processes import eventually

Build = Callable[..., Config]
Make = Callable[..., Pipeline]


@pytest.fixture
def make(config: Build, clock: Clock) -> Iterator[Make]:
    """A pipeline; stopped, where it was started, when the test ends."""
    made: list[Pipeline] = []

    def build(
        configured: Config | None = None, capacity: int = 10_000, capacity_bytes: int = 1 << 20, start: bool = False
    ) -> Pipeline:
        made.append(Pipeline(Models(configured or config()), capacity, capacity_bytes, clock))
        if start:
            made[-1].start()
        return made[-1]

    yield build
    for pipeline in made:
        if pipeline._thread.is_alive():
            assert pipeline.stop(10)


def deliver(count: int = 1, source: str = "push", received: float = 1_000_000.0, **other: Any) -> Delivery:
    return Delivery(source=source, queries=[Query("a", UNSURE) for _ in range(count)], received=received, **other)


# -- the queue


def test_a_delivery_that_fits_is_taken_whole_and_one_that_does_not_is_refused_whole(make: Make) -> None:
    pipeline = make(capacity=10)
    assert [pipeline.offer(deliver(n)) for n in (6, 5, 4, 1)] == [True, False, True, False]
    assert pipeline.waiting == 10


def test_the_bytes_of_the_queue_are_bounded_too(make: Make) -> None:
    pipeline = make(capacity_bytes=100)
    assert [pipeline.offer(deliver(size=n)) for n in (60, 41, 40)] == [True, False, True]


def test_what_is_larger_than_the_queue_is_taken_when_it_is_alone(make: Make) -> None:
    pipeline = make(capacity=10, capacity_bytes=100)
    assert pipeline.offer(deliver(50, size=5000))
    assert not pipeline.offer(deliver())


def test_room_is_there_again_once_queries_are_judged(make: Make) -> None:
    pipeline, judged = make(capacity=10), threading.Event()
    assert pipeline.offer(deliver(10, done=lambda _: judged.set()))
    assert not pipeline.offer(deliver())
    pipeline.start()
    assert judged.wait(10)
    assert pipeline.waiting == 0
    assert pipeline.offer(deliver(10))


def test_who_waits_for_room_gets_it(make: Make) -> None:
    pipeline = make(capacity=10)
    assert pipeline.offer(deliver(10))
    assert not pipeline.wait_for_room(deliver(), timeout=0)
    pipeline.start()
    assert pipeline.wait_for_room(deliver(10), timeout=10)


def test_who_waits_for_room_is_told_when_the_pipeline_stops(make: Make) -> None:
    pipeline, answers = make(capacity=1), []
    waiting = threading.Thread(target=lambda: answers.append(pipeline.wait_for_room(deliver(), timeout=30)))
    with pipeline.lock:  # nothing is judged meanwhile
        pipeline.start()
        assert pipeline.offer(deliver())
        assert pipeline.wait_for_room(deliver(), timeout=10)
        assert pipeline.offer(deliver())
        waiting.start()
        assert not pipeline.stop(0)
        waiting.join(10)
    assert answers == [False]


def test_a_refused_sender_may_come_again_after_half_the_queue_is_judged(make: Make) -> None:
    pipeline = make(capacity=100_000)
    assert pipeline.seconds_until_room() == 1
    pipeline.offer(deliver(9000))
    pipeline.rate = 1000.0
    assert pipeline.seconds_until_room() == 5
    pipeline.rate = 0.0
    assert pipeline.seconds_until_room() == 60


def test_stopping_judges_what_is_queued_and_takes_nothing_more(make: Make) -> None:
    pipeline = make()
    for _ in range(5):
        assert pipeline.offer(deliver(700))
    pipeline.start()
    assert pipeline.stop(30)
    assert pipeline.models.of(None).queries == 3500
    assert not pipeline.offer(deliver())
    assert not pipeline.wait_for_room(deliver(), timeout=10)


def test_an_idle_pipeline_stops_at_once(make: Make) -> None:
    assert make(start=True).stop(10)


def test_every_query_of_many_senders_is_judged_once(make: Make) -> None:
    pipeline = make(start=True)

    def send() -> None:
        for _ in range(50):
            while not pipeline.offer(deliver(7)):
                assert pipeline.wait_for_room(deliver(7), timeout=30)

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert pipeline.stop(30)
    assert pipeline.models.of(None).queries == 8 * 50 * 7


# -- the evidence on clients


def weighed(pipeline: Pipeline) -> int:
    """Queries without a client that the evidence on clients has seen, whatever waits."""
    with pipeline.lock:
        model = pipeline.models.of(None)
        assert model.suspicion is not None
        return len(model.suspicion.memory.waiting)


def test_what_is_judged_is_weighed_when_somebody_looks(make: Make) -> None:
    pipeline, judged = make(start=True), threading.Event()
    assert pipeline.offer(deliver(3, done=lambda _: judged.set()))
    assert judged.wait(10)
    with pipeline.weighed(parts=1):
        assert not pipeline._unweighed.queries
    assert weighed(pipeline) == 3


def test_what_somebody_who_looks_has_weighed_is_not_weighed_again(make: Make) -> None:
    pipeline = make()
    with pipeline.lock:  # the judging thread waits for it, with something to weigh
        pipeline._unweighed.add(pipeline.models.of(None), [Query("a")])
        weighing = threading.Thread(target=pipeline._weigh_all)
        weighing.start()
        eventually("it waits", pipeline.lock._turn.locked)
        pipeline._weigh_part()
    weighing.join(10)
    assert weighed(pipeline) == 1


def test_what_is_judged_is_weighed_after_a_moment_in_which_nothing_comes(make: Make) -> None:
    pipeline = make(start=True)
    assert pipeline.offer(deliver(3))
    eventually("the queries are weighed", lambda: weighed(pipeline) == 3)


def test_what_is_judged_is_weighed_before_anything_is_done_between_two_batches(make: Make) -> None:
    pipeline, judged = make(start=True), threading.Event()
    assert pipeline.offer(deliver(3, done=lambda _: judged.set()))
    assert judged.wait(10)
    assert pipeline.between(lambda: weighed(pipeline)) == 3


def test_what_is_to_be_done_before_all_is_weighed_waits_for_no_evidence(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pipeline", "unweighed"):
        monkeypatch.setattr(f"exporter.{module}.PATIENCE", 60.0)
    pipeline, judged = make(start=True), threading.Event()
    assert pipeline.offer(deliver(3, done=lambda _: judged.set()))
    assert judged.wait(10)
    assert pipeline.between(lambda: weighed(pipeline), weighed=False) == 0
    assert pipeline.between(lambda: weighed(pipeline)) == 3


@contextmanager
def something_waits(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, events: list[str], weighed: bool
) -> Iterator[None]:
    """While the first of three parts is weighed, and something else waits; afterwards both go on, to the end."""
    begun, go_on = threading.Event(), threading.Event()

    def observe(queries: list[Query], times: list[float]) -> None:
        begun.set()
        assert go_on.wait(10)
        events.append(f"{len(queries)} weighed")

    monkeypatch.setattr(pipeline.models.of(None).suspicion, "observe", observe)
    pipeline.offer(deliver(3 * PART))
    pipeline.start()
    assert begun.wait(10)
    done = threading.Thread(target=lambda: pipeline.between(lambda: events.append("done"), weighed))
    done.start()
    eventually("it waits", lambda: bool(pipeline._calls))
    yield
    go_on.set()
    done.join(10)
    assert pipeline.stop(10)


WEIGHED = f"{PART} weighed"


def test_what_waits_for_no_evidence_is_done_between_two_parts_of_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    with something_waits(make(), monkeypatch, events, weighed=False):
        pass
    assert events == [WEIGHED, "done", WEIGHED, WEIGHED]


def test_few_that_ask_are_judged_before_all_is_weighed_that_something_waits_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, events = make(), []
    with something_waits(pipeline, monkeypatch, events, weighed=True):
        for _ in range(2):
            pipeline.offer(deliver(1, done=lambda _: events.append("judged")))
        pipeline.offer(deliver(PART, done=lambda _: events.append("many judged")))
    assert events == [WEIGHED, WEIGHED, "judged", "judged", WEIGHED, "2 weighed", "done", "many judged", WEIGHED]


def test_what_is_judged_is_weighed_at_the_end(make: Make) -> None:
    pipeline = make(start=True)
    assert pipeline.offer(deliver(3))
    assert pipeline.stop(10)
    assert weighed(pipeline) == 3


def test_much_is_weighed_in_parts_in_the_order_in_which_it_came(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, sizes, ids = make(), [], []
    model = pipeline.models.of(None)

    def observe(queries: list[Query], times: list[float]) -> None:
        sizes.append(len(queries))
        ids.extend(query.id for query in queries)
        assert times == [1_000_000.0] * len(queries)

    monkeypatch.setattr(model.suspicion, "observe", observe)
    queries = [Query("a", id=str(number)) for number in range(2 * PART + 5)]
    pipeline.judge([Delivery("push", queries, received=1_000_000.0)])
    assert sizes == [PART, PART, 5]
    assert ids == [query.id for query in queries]


def test_who_waits_to_be_judged_goes_before_the_evidence_until_that_has_waited_enough(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make()
    model, events = pipeline.models.of(None), []
    monkeypatch.setattr(model.suspicion, "observe", lambda queries, _: events.append(("weighed", len(queries))))
    for _ in range(8):
        pipeline.offer(deliver(BATCH // 2, done=lambda _: events.append(("judged", BATCH // 2))))
    pipeline.start()
    assert pipeline.stop(30)
    waiting = list(accumulate(count if what == "judged" else -count for what, count in events))
    assert events.index(("weighed", PART)) == UNWEIGHED // (BATCH // 2)
    assert max(waiting) < UNWEIGHED + BATCH
    assert waiting[-1] == 0


# -- judging


def test_deliveries_are_judged_in_the_order_of_the_queue(make: Make) -> None:
    pipeline, order = make(), []
    for number in range(20):
        pipeline.offer(deliver(number * 40, done=lambda _, number=number: order.append(number)))
    pipeline.start()
    assert pipeline.stop(30)
    assert order == list(range(20))


def test_a_large_delivery_is_judged_in_parts(make: Make, config: Build, register: Any) -> None:
    sizes = []

    class Sizes(LengthDetector):
        def score(self, batch: Any) -> Any:
            sizes.append(len(batch))
            return super().score(batch)

    register("sizes", Sizes)
    pipeline = make(config(DetectorConfig(name="sizes")))
    pipeline.judge([deliver(2 * BATCH + 5)])
    assert sizes == [BATCH, BATCH, 5]


def test_what_the_detectors_said_of_each_query_is_told_where_it_was_asked_for(make: Make, config: Build) -> None:
    told: list[Any] = []
    queries = [Query("a", UNSURE, model="m1"), Query("b", None, model="m2"), Query("c", UNSURE, model="m1")]
    models = (Model(name="m1"), Model(name="m2"))
    delivery = Delivery(source="detect", queries=queries, received=0.0, explain=True, done=told.extend)
    make(config(models=models)).judge([deliver(3, done=told.append), delivery])
    silent, *said = told
    assert list(silent) == []
    assert [[outcome.status for outcome in outcomes] for outcomes in said] == [["ok"], ["skipped"], ["ok"]]


def test_whoever_fails_to_listen_does_not_stop_the_judging(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def fail(outcomes: Any) -> None:
        raise RuntimeError("gone")

    pipeline, told = make(), []
    pipeline.judge([deliver(done=fail), deliver(done=told.append)])
    assert len(told) == 1
    assert pipeline.models.of(None).queries == 2
    assert "could not be told" in caplog.text


def test_positions_are_committed_once_their_queries_are_judged(make: Make) -> None:
    pipeline, seen = make(), []

    def done(outcomes: Any) -> None:
        seen.append((dict(pipeline.positions), pipeline.models.of(None).queries))

    pipeline.judge([deliver(source="a", position=1, done=done), deliver(source="b", position=9), deliver(source="c")])
    pipeline.judge([deliver(source="a", position=2)])
    assert seen == [({("a", ""): 1}, 3)]
    assert pipeline.positions == {("a", ""): 2, ("b", ""): 9}


# -- counts


def test_the_delay_of_pushed_queries_is_counted_in_its_bucket_and_of_no_others(make: Make, clock: Clock) -> None:
    pipeline = make()
    pipeline.judge([deliver(3, received=clock.now - 0.25), deliver(2, source="detect", received=clock.now - 7)])
    pipeline.judge([deliver(1, received=clock.now - 1000)])
    expected = [0] * (len(DELAY_BUCKETS) + 1)
    expected[DELAY_BUCKETS.index(0.25)] = 3
    expected[-1] = 1
    assert pipeline.delays == expected
    assert pipeline.delay_sum == pytest.approx(3 * 0.25 + 1000)


def test_a_delay_below_zero_is_none(make: Make, clock: Clock) -> None:
    pipeline = make()
    pipeline.judge([deliver(received=clock.now + 5)])
    assert (pipeline.delays[0], pipeline.delay_sum) == (1, 0.0)


def test_the_delay_includes_the_judging_itself(make: Make, config: Build, register: Any, clock: Clock) -> None:
    class Slow(LengthDetector):
        def score(self, batch: Any) -> Any:
            clock.now += 20
            return super().score(batch)

    register("slow", Slow)
    pipeline = make(config(DetectorConfig(name="slow")))
    pipeline.judge([deliver(received=clock.now)])
    assert pipeline.delay_sum == 20.0


def test_reused_ids_are_counted_once_with_their_models(make: Make) -> None:
    delivery = deliver(BATCH + 1)
    delivery.reused = delivery.queries[:3]
    pipeline = make()
    pipeline.judge([delivery])
    assert pipeline.models.of(None).ids_reused == 3


def test_the_canary_is_judged_and_in_no_count(make: Make) -> None:
    told: list[list[list[Outcome]]] = []
    pipeline = make()
    pipeline.judge([deliver(source=CANARY, explain=True, done=told.append)])  # type: ignore[arg-type]
    assert [outcome.status for outcome in told[0][0]] == ["ok"]
    assert list(pipeline.models.by_label) == ["default"]
    model = pipeline.models.of(None)
    assert (model.queries, model.tallies[0].judgements, model.last_query) == (0, 0, None)
    assert (sum(pipeline.delays), dict(pipeline.models.seconds), pipeline.models.folded) == (0, {}, 0)


def test_models_that_are_silent_for_a_day_are_forgotten_while_others_are_judged(make: Make, clock: Clock) -> None:
    pipeline = make()
    earned = Delivery(source="push", queries=[Query("a", model="earned") for _ in range(20)], received=clock.now)
    pipeline.judge([earned])
    assert "earned" in pipeline.models.by_label
    clock.now += 90_000
    pipeline.judge([deliver(received=clock.now)])
    assert list(pipeline.models.by_label) == ["default"]


def test_a_failure_of_the_judging_itself_is_told_and_not_silent():
    class Broken(Models):
        def known(self, name):
            raise RuntimeError("no models today")

    pipeline, told = Pipeline(Broken(Config()), 100, 1 << 20), threading.Event()
    pipeline.on_failure = told.set
    pipeline.start()
    assert pipeline.offer(Delivery(source="push", queries=[Query("a")], received=1.0))
    assert told.wait(10)
    assert isinstance(pipeline.failure, RuntimeError)
    assert pipeline.stop(10)


YEAR = 365 * 86_400.0


def test_windows_go_on_ageing_after_the_clock_jumped_forward_and_was_set_right(make: Make, config: Build) -> None:
    """Else nothing would leave a window for a year."""
    timed = DetectorConfig(name="text_repetition", options={"threshold": 3, "window_seconds": 60})
    pipeline = make(config(timed))
    for received in (1000.0, 1000.0 + YEAR, 1010.0, 1020.0, 1100.0, 1110.0):
        pipeline.judge([deliver(received=received)])
    [tally] = pipeline.models.of(None).tallies
    assert tally.detector.window_queries() == 2
    assert pipeline.models.of(None).clock == 1000.0 + YEAR + 100.0


def test_silent_models_are_forgotten_after_the_clock_jumped_forward_and_was_set_right(make: Make) -> None:
    pipeline = make()
    pipeline.judge([Delivery("push", [Query("a", model="earned") for _ in range(20)], received=1000.0 + YEAR)])
    for received in (1000.0, 1000.0 + 43_200, 1000.0 + 90_000):
        assert "earned" in pipeline.models.by_label
        pipeline.judge([deliver(received=received)])
    assert "earned" not in pipeline.models.by_label


# -- drift


def test_true_labels_are_joined_to_the_predictions_of_their_model(make: Make, config: Build) -> None:
    pipeline = make(config(models=(Model(name="a"), Model(name="b", drift=OwnDrift(enabled=False)))))
    queries = [Query("q", {"label": "x"}, id="1", model=name) for name in ("a", "b")]
    pipeline.judge([Delivery(source="push", queries=queries, received=1.0)])
    truths = [Truth(id="1", label="x", model=name) for name in ("a", "a", "b", "nobody")]
    pipeline.judge([Delivery(source="feedback", queries=(), received=2.0, samples=truths)])
    assert [truth.told for truth in truths] == ["joined", "unknown", "unknown", "unknown"]
    drift = pipeline.models.by_label["a"].drift
    assert drift is not None
    assert drift.feedback.accuracy == 1.0


def test_drift_is_seen_through_the_pipeline_and_the_canary_is_not_looked_at(make: Make, config: Build) -> None:
    quick = OwnDrift(
        reference=OwnDriftReference(queries=200, interval=1.0), window=OwnDriftWindow(queries=200, interval=1.0)
    )
    pipeline = make(config(models=(Model(name="m", drift=quick),)))
    for second in range(8):
        answer = UNSURE if second < 4 else SURE
        queries = [Query("a", answer) for _ in range(100)]
        pipeline.judge([Delivery(source="push", queries=queries, received=float(second))])
        pipeline.judge([Delivery(source=CANARY, queries=[Query("canary", SURE)], received=float(second))])
    pipeline.models.worker.finish()
    drift = pipeline.models.of(None).drift
    assert drift is not None
    assert drift.windows == {"tested": 3, "skipped": 0, "failed": 0}
    assert drift.severity >= 2
    assert pipeline._canary.drift is None


def test_what_breaks_the_look_at_drift_breaks_no_judging(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = make()
    drift = pipeline.models.of(None).drift
    assert drift is not None
    monkeypatch.setattr(drift, "observe", lambda queries: 1 / 0)
    pipeline.judge([deliver(3)])
    assert (pipeline.models.of(None).queries, drift.windows["failed"]) == (3, 1)
