"""Queries by model, and the time that each is judged at."""

from collections.abc import Callable
from typing import Any

import pytest

from detectors import Query
from exporter.config import Config, Model
from exporter.delivery import CANARY, Delivery, Outcome
from exporter.grouping import by_model
from exporter.models import Models
from exporter.watched_model import WatchedModel

Build = Callable[..., Config]


@pytest.fixture
def models(config: Build) -> Models:
    return Models(config(models=(Model(name="m1"), Model(name="m2"))))


def grouped(models: Models, delivery: Delivery) -> dict[str, list[Query]]:
    canary = WatchedModel(models.config.model("canary"))
    groups = by_model([(delivery, [])], slice(None), models, canary)
    return {model.name: group.queries for model, group in groups.items()}


def deliver(*times: float | None, received: float = 100.0, **other: Any) -> Delivery:
    queries = [Query("a", model="m1", timestamp=time) for time in times]  # type: ignore[arg-type]
    return Delivery(source="push", queries=queries, received=received, **other)


def times(delivery: Delivery) -> list[float | None]:
    return [query.timestamp for query in delivery.queries]


def test_queries_go_to_their_models_in_order(models: Models) -> None:
    names = ["m1", "m2", None, "m1", "unknown"]
    queries = [Query(str(place), model=name) for place, name in enumerate(names)]
    found = grouped(models, Delivery(source="push", queries=queries, received=0.0))
    texts = {label: [query.input_data for query in queries] for label, queries in found.items()}
    assert texts == {"m1": ["0", "3"], "m2": ["1"], "default": ["2"], "other": ["4"]}


def test_what_is_synthetic_goes_to_the_canary_whatever_model_it_names(models: Models) -> None:
    queries = [Query("a", model="m1"), Query("b", model="unknown")]
    assert list(grouped(models, Delivery(source=CANARY, queries=queries, received=0.0))) == ["canary"]
    assert models.folded == 0


def test_the_words_about_a_query_stay_with_it(models: Models) -> None:
    first = Delivery(source="push", queries=[Query("a", model="m1"), Query("b", model="m1")], received=0.0)
    second = Delivery(source="detect", queries=[Query("c", model="m2"), Query("d", model="m1")], received=0.0)
    words: list[list[Outcome]] = [[], []]
    groups = by_model([(first, []), (second, words)], slice(None), models, WatchedModel(models.config.model("canary")))
    asked = {model.name: group.asked for model, group in groups.items()}
    assert {label: list(said) for label, said in asked.items()} == {"m1": [2], "m2": [0]}
    assert asked["m2"][0] is words[0]
    assert asked["m1"][2] is words[1]


def test_queries_have_the_time_of_their_receipt(models: Models) -> None:
    delivery = deliver(1.0, None, received=5.0)
    grouped(models, delivery)
    assert times(delivery) == [5.0, 5.0]
    assert models.of("m1").last_query == 5.0


def test_the_times_of_events_count_where_the_source_says_so_and_never_run_backwards(models: Models) -> None:
    delivery = deliver(10.0, 30.0, 20.0, None, received=40.0, own_time=True)
    grouped(models, delivery)
    assert times(delivery) == [10.0, 30.0, 30.0, 40.0]
    assert models.of("m1").last_query == 40.0


def test_a_clock_that_is_set_back_does_not_make_times_run_backwards(models: Models) -> None:
    grouped(models, deliver(None, received=100.0))
    second = deliver(None, received=50.0)
    grouped(models, second)
    assert times(second) == [100.0]
    assert models.of("m1").last_query == 50.0


def test_an_event_of_the_future_is_as_old_as_its_receipt(models: Models) -> None:
    delivery = deliver(5_000.0, received=100.0, own_time=True)
    grouped(models, delivery)
    assert times(delivery) == [100.0]
    assert models.of("m1").clock == 100.0


def test_queries_far_ahead_of_our_clock_are_counted_and_told_of_once(
    models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    for own in (100.0, 150.0, 161.0, 9_999.0):
        grouped(models, deliver(own, received=100.0, own_time=True))
    assert models.of("m1").of_future == 2
    [line] = [record for record in caplog.records if "of the future" in record.getMessage()]
    assert vars(line)["seconds"] == 61
