"""The evidence on clients, weighed for many queries together."""

from collections import defaultdict
from collections.abc import Callable

import pytest

from detectors import Query
from exporter.config import Config
from exporter.models import Models
from exporter.unweighed import CLIENTS, PART, Unweighed, weigh
from exporter.watched_model import WatchedModel
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE
from tests.exporter.metrics.conftest import to_query
from tests.exporter.traffic import WARM_UP, natural, repeats

Build = Callable[..., Config]


def watched(config: Config) -> WatchedModel:
    return Models(config).of(None)


def test_clients_that_cannot_be_weighed_are_counted_and_told_of_by_type_alone(
    config: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = watched(config(CONFIDENCE))

    def fail(*_: object) -> None:
        raise RuntimeError("the text of the query stays out of the log")

    monkeypatch.setattr(model.suspicion, "observe", fail)
    assert weigh(model, [Query("a", UNSURE), Query("b", SURE)], defaultdict(float)) == []
    assert model.suspicion_errors == 2
    assert [record.message for record in caplog.records] == ["clients could not be judged"]
    assert "stays out" not in caplog.text


def test_weighing_takes_time_that_is_counted_and_tells_of_a_client_in_alarm_once(config: Build) -> None:
    model, seconds = watched(config(CONFIDENCE)), defaultdict[str, float](float)
    sent = [to_query(event) for event in natural(WARM_UP) + repeats(12, client="eve")]
    [alarmed] = weigh(model, sent, seconds)
    assert (alarmed.client, alarmed.in_alarm) == ("eve", ("repeat",))
    assert seconds[CLIENTS] > 0
    assert weigh(model, sent[:1], seconds) == []


def test_what_waits_is_weighed_in_parts_each_model_in_its_turn_and_its_queries_in_order(config: Build) -> None:
    one, other = watched(config(CONFIDENCE)), watched(config(CONFIDENCE))
    unweighed, seconds = Unweighed(), defaultdict[str, float](float)
    seen: dict[WatchedModel, list[str | None]] = {one: [], other: []}
    for model in seen:
        model.suspicion.observe = lambda queries, _, model=model: seen[model].extend(q.id for q in queries)  # type: ignore
    unweighed.add(one, [Query("a", id=str(n)) for n in range(PART)])
    unweighed.add(other, [Query("b", id="b")])
    unweighed.add(one, [Query("a", id=str(n)) for n in range(PART, PART + 3)])
    left = []
    while unweighed.weigh_part(seconds) is not None:
        left.append(unweighed.queries)
    assert left == [4, 3, 0]
    assert seen == {one: [str(n) for n in range(PART + 3)], other: ["b"]}


def test_it_is_due_when_it_is_enough_or_has_waited_long_enough(config: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("exporter.unweighed.time.monotonic", lambda: clock[0])
    model, unweighed = watched(config(CONFIDENCE)), Unweighed()
    assert not unweighed.is_due()
    unweighed.add(model, [Query("a")] * (PART - 1))
    assert not unweighed.is_due()
    unweighed.add(model, [Query("a")])
    assert unweighed.is_due()
    unweighed.weigh_part(defaultdict(float))
    unweighed.add(model, [Query("a")])
    assert not unweighed.is_due()
    clock[0] += 0.2
    assert unweighed.is_due()
