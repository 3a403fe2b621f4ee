"""What is counted of inferences."""

import json

import numpy as np
import pytest

from detectors import Query
from exporter.config import Config, Model, Objectives, Prices, Thresholds
from exporter.formats.inference import Resources, Sample
from exporter.formats.native import Tokens
from exporter.health.inferences import BUCKETS, NEW_LATENCIES, Inferences
from exporter.health.requests import RequestIds

NOW = 1_000.0


class Counted:
    """The inferences of one model, and the ids that it knows."""

    def __init__(self, **keys):
        self.requests = RequestIds()
        self.health = Inferences(Config(models=(Model(name="m", **keys),)).model("m"))

    def queries(self, *queries):
        self.health.count_queries(queries, self.requests, NOW)
        return self

    def sample(self, request_id="r", latency=100.0, sender="", now=NOW, **more):
        sample = Sample(model_id="m", model_type="llm", request_id=request_id, latency=latency, **more)
        self.health.count_sample(sample, sender, self.requests, now)
        return self

    def numbers(self):
        """All that is counted, without where it comes from."""
        return self.health.dump()


def query(id=None, **more):
    return Query("x", id=id, **more)


def test_every_query_is_an_inference_whatever_it_says():
    health = Counted().queries(query(), query("a"), query(latency_seconds=0.2)).health
    assert (health.inferences, sum(health.durations.counts), health.durations.seconds) == (3, 1, 0.2)


def test_durations_fall_into_buckets_with_their_upper_bounds_in_them():
    seconds = [0.0, 0.001, 0.0011, 1.0, 120.0, 121.0]
    bulk = Counted().queries(*(query(latency_seconds=value) for value in seconds)).health
    expected = [sum(value <= bound for value in seconds) for bound in BUCKETS] + [len(seconds)]
    assert np.cumsum(bulk.durations.counts).tolist() == expected


def test_counts_do_not_depend_on_how_queries_are_batched():
    rng = np.random.default_rng(3)
    queries = [
        query(
            f"q{number}" if number % 3 else None,
            latency_seconds=float(rng.lognormal()) if number % 2 else None,
            error=["500", "400", None, ""][number % 4],
            tokens={"input": number, "output": 2} if number % 5 else None,
            cost_dollars=float(rng.random()) if number % 7 == 0 else None,
            client="c",
        )
        for number in range(500)
    ]
    prices = Prices(input_token=1.5e-7, output_token=6e-7, request=1e-4, gpu_second=3e-4)
    whole, single = Counted(prices=prices), Counted(prices=prices)
    whole.queries(*queries)
    for each in queries:
        single.queries(each)
    assert whole.numbers() == single.numbers()


def test_an_error_is_a_failure_and_one_of_the_clients_making_is_no_bad_event():
    counted = Counted().queries(query(error="HTTP 500"), query(error="HTTP 400"), query(error=""), query())
    failures = {reason: count for reason, count in counted.health.failures.items() if count}
    assert failures == {"server_error": 1, "client_error": 1}
    assert (counted.health.slo_events["availability"], counted.health.slo_bad["availability"]) == (4, 1)


def test_slower_than_the_models_own_threshold_is_a_bad_event():
    counted = Counted(thresholds=Thresholds(latency=0.3), objectives=Objectives(latency=0.9))
    counted.queries(query(latency_seconds=0.3), query(latency_seconds=0.31), query()).sample(latency=301)
    assert (counted.health.slo_events["latency"], counted.health.slo_bad["latency"]) == (3, 2)


def test_a_pushed_error_rate_is_a_gauge_and_no_failure():
    health = Counted().sample(error_rate=0.5, throughput=20).health
    assert sum(health.failures.values()) == 0
    assert (health.gauges["error_rate"].value(NOW), health.gauges["throughput"].value(NOW)) == (0.5, 20)


def test_growth_is_what_was_counted_since_the_last_look():
    counted = Counted(prices=Prices(request=0.5)).queries(query("r", latency_seconds=0.1), query(error="500"))
    assert counted.health.take_growth() == (2, 1, (0.1,), (0, 0), 1.0)
    counted.sample("r", tokens=Tokens(input=3, output=4))
    assert counted.health.take_growth() == (0, 0, (), (3, 4), 0.0)
    counted.sample("s", 250.0)
    counted.health.load(counted.health.dump())
    assert counted.health.take_growth() == (0, 0, (), (0, 0), 0.0)


def test_latencies_that_nobody_asks_for_do_not_add_up():
    counted = Counted()
    for _ in range(6):
        counted.queries(*[query(latency_seconds=0.1)] * 1_000)
    assert len(counted.health.take_growth().latencies) == NEW_LATENCIES


# -- cost


@pytest.mark.parametrize(
    ("prices", "said", "dollars"),
    [
        ({}, {}, 0),
        ({}, {"cost_dollars": 0.25}, 0.25),
        ({"request": 0.01}, {}, 0.01),
        ({"request": 0.01}, {"cost_dollars": 0.002}, 0.002),
        ({"input_token": 1e-6, "output_token": 2e-6}, {"tokens": {"input": 100, "output": 50}}, 0.0002),
        ({"gpu_second": 0.5}, {"latency_seconds": 0.2}, 0.1),
    ],
)
def test_a_query_costs_what_it_says_else_what_the_prices_say(prices, said, dollars):
    counted = Counted(prices=Prices(**prices)).queries(query(**said))
    assert counted.health.dollars == pytest.approx(dollars, abs=1e-12)


def test_a_second_of_gpu_is_what_the_sample_says_else_its_latency():
    for said, dollars in (({}, 0.05), ({"gpu_seconds": 3.0}, 1.5)):
        assert Counted(prices=Prices(gpu_second=0.5)).sample(latency=100, **said).health.dollars == dollars


def test_a_cost_that_is_told_holds_although_the_request_of_its_query_was_priced():
    prices = Prices(request=0.5, gpu_second=1.0)
    assert Counted(prices=prices).queries(query("r")).sample(latency=3_000.0, cost_dollars=4.0).health.dollars == 4.0
    assert Counted(prices=prices).queries(query("r")).sample(latency=3_000.0, cost_dollars=0.1).health.dollars == 0.5


def test_cost_is_exact_over_many_small_sums():
    counted = Counted()
    for _ in range(100):
        counted.queries(*[query(cost_dollars=0.1)] * 100)
    assert counted.health.dollars == 1000.0


def test_who_costs_most_is_known():
    counted = Counted().queries(query(cost_dollars=1.0, client="a"), query(cost_dollars=3.0, client="b"), query())
    assert counted.sample(cost_dollars=5.0, client="c").health.dearest.top(NOW) == [("c", 5.0), ("b", 3.0), ("a", 1.0)]


# -- joining


WHOLE = {"tokens": {"input": 3, "output": 4}, "cost_dollars": 0.5}


@pytest.mark.parametrize("first", ["query", "sample"])
def test_a_sample_and_a_query_with_one_id_are_one_inference(first):
    counted = Counted()
    parts = {
        "query": lambda: counted.queries(query("r", **WHOLE)),
        "sample": lambda: counted.sample("r", 250.0, error="503"),
    }
    parts.pop(first)()
    parts.popitem()[1]()
    health = counted.health
    assert (health.inferences, sum(health.durations.counts), health.durations.seconds) == (1, 1, 0.25)
    assert (health.input_tokens, health.output_tokens, health.dollars) == (3, 4, 0.5)
    assert (health.failures["unavailable"], health.slo_events["availability"]) == (1, 1)


@pytest.mark.parametrize("first", ["query", "sample"])
def test_what_came_first_holds_where_both_say_it(first):
    counted = Counted()
    tokens = Tokens(input=1, output=1)
    if first == "query":
        counted.queries(query("r", latency_seconds=0.1, **WHOLE)).sample("r", 900.0, tokens=tokens, cost_dollars=9.0)
        expected = (0.1, 3, 0.5)
    else:
        counted.sample("r", 900.0, tokens=tokens, cost_dollars=9.0).queries(query("r", latency_seconds=0.1, **WHOLE))
        expected = (0.9, 1, 9.0)
    health = counted.health
    assert (health.inferences, health.durations.seconds, health.input_tokens, health.dollars) == (1, *expected)


def test_a_joined_sample_adds_the_price_of_what_the_query_did_not_say_and_takes_nothing_back():
    counted = Counted(prices=Prices(request=0.01, output_token=0.001)).queries(query("r"))
    before = counted.health.dollars
    counted.sample("r", tokens=Tokens(output=5))
    assert (before, counted.health.dollars) == (0.01, 0.015)
    counted.queries(query("s")).sample("s", cost_dollars=0.001)
    assert counted.health.dollars == 0.025


def test_a_retry_of_a_sample_counts_once_and_other_measurements_under_its_id_count():
    counted = Counted().sample("r", 100.0).sample("r", 100.0).sample("r", 200.0)
    assert counted.health.inferences == 2
    counted.queries(query("r"), query("r"))  # one of the two is the inference of the last sample
    assert counted.health.inferences == 3


def test_a_retry_of_a_joined_sample_counts_nothing():
    counted = Counted().queries(query("r")).sample("r").sample("r")
    assert counted.health.inferences == 1
    assert sum(counted.health.durations.counts) == 1


def test_queries_without_an_id_are_never_joined():
    counted = Counted().sample("r").queries(query(), query("s"))
    assert counted.health.inferences == 3


# -- gauges, time to first token


def test_gauges_tell_instances_apart_and_know_the_sender_where_none_is_named():
    counted = Counted().sample("a", sender="key-1", throughput=5.0).sample("b", sender="key-2", throughput=3.0)
    counted.sample("c", sender="key-1", throughput=1.0)
    assert counted.health.gauges["throughput"].value(NOW) == 3.0


def test_the_time_to_the_first_token_is_in_the_sample_or_an_attribute_of_the_query():
    attributes = {"time_to_first_token_seconds": 0.5}
    counted = Counted().queries(query(latency_seconds=1.0, metadata=attributes)).sample(time_to_first_token=1_500.0)
    assert counted.health.first_tokens.seconds == 2.0


@pytest.mark.parametrize("value", ["0.5", None, -1, float("nan"), float("inf"), [1]])
def test_an_attribute_that_is_no_time_is_left_alone(value):
    counted = Counted().queries(query(latency_seconds=1.0, metadata={"time_to_first_token_seconds": value}))
    assert sum(counted.health.first_tokens.counts) == 0


# -- over a restart


def test_counts_come_back_and_can_be_stored_as_json_however_large():
    counted = Counted().queries(
        query(latency_seconds=1e300, cost_dollars=1e300, tokens={"input": 1 << 70, "output": 0})
    )
    state = json.loads(json.dumps(counted.numbers()))
    back = Counted()
    back.health.load(state)
    assert back.numbers() == counted.numbers()
    assert back.health.input_tokens == 1 << 70
    assert (back.health.durations.seconds, back.health.dollars) == (1e6, 1e6)


def test_gauges_and_the_time_of_the_last_sample_come_back_too():
    counted = Counted().sample(throughput=4.0, resource_usage=Resources(gpu_memory=0.5))
    back = Counted()
    back.health.load(counted.numbers())
    assert [back.health.gauges[name].value(NOW + 300) for name in ("throughput", "gpu_memory")] == [4.0, 0.5]
    assert back.health.gauges["throughput"].value(NOW + 301) is None
    assert back.health.last_sample == NOW


def test_counts_of_a_snapshot_from_before_there_were_gauges_in_it_come_back():
    state = {name: kept for name, kept in Counted().queries(query()).numbers().items() if "last" not in name}
    del state["gauges"]
    back = Counted()
    back.health.load(state)
    assert (back.health.inferences, back.health.last_sample) == (1, 0.0)


def test_counts_and_gauges_outlast_a_reload_and_prices_change_with_it():
    first = Counted().queries(query(cost_dollars=1.0)).sample(throughput=4.0).health
    config = Config(models=(Model(name="m", prices=Prices(request=2.0)),)).model("m")
    second = Inferences(config, first)
    second.count_queries([query()], RequestIds(), NOW)
    assert (second.inferences, second.dollars) == (3, 3.0)
    assert second.gauges["throughput"].value(NOW) == 4.0


def test_copied_histograms_do_not_change_with_what_comes_after():
    counted = Counted().queries(query(latency_seconds=1.0))
    taken = counted.health.histograms()
    counted.queries(query(latency_seconds=1.0))
    assert [(name, durations.seconds) for name, durations in taken.items()] == [("inference_duration_seconds", 1.0)]


def test_times_to_first_tokens_are_there_once_one_was_told():
    counted = Counted().queries(query(metadata={"time_to_first_token_seconds": 0.5}, tokens={"input": 1, "output": 1}))
    assert counted.health.histograms()["time_to_first_token_seconds"].seconds == 0.5


def test_a_sample_just_as_slow_as_the_threshold_is_a_good_event():
    counted = Counted(thresholds=Thresholds(latency=0.3), objectives=Objectives(latency=0.9))
    counted.sample("a", latency=300.0).sample("b", latency=300.1)
    assert (counted.health.slo_events["latency"], counted.health.slo_bad["latency"]) == (2, 1)
