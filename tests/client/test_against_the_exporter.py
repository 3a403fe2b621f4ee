"""Every kind of record against the real exporter: what the client sends is what the exporter takes."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.client.conftest import Exporter
from vedette_client import Client, monitor
from vedette_client.transport import Answer, Http, Unreachable


@pytest.fixture
def client(exporter: Exporter) -> Iterator[Client]:
    exporter.start()
    with Client(exporter.url, flush_interval=0.01) as client:
        yield client


def settled(client: Client) -> None:
    """All that was reported is taken, and nothing was refused."""
    assert client.flush(30)
    stats = client.stats()
    assert (stats.delivered, dict(stats.dropped)) == (stats.pushed, {})


def test_inferences_are_measured_and_joined_to_their_query(client: Client, exporter: Exporter) -> None:
    query = client.push(model="m", input="hello", output=[0.9, 0.1])
    settled(client)
    client.inference(
        "m",
        0.25,
        request_id=query,
        client="key",
        time_to_first_token_seconds=0.05,
        tokens={"input": 3, "output": 4},
        cost_dollars=0.5,
        throughput=12.5,
        error_rate=0.25,
        resource_usage={"cpu_usage": 0.5},
        tags={"region": "eu"},
    )
    client.inference("m", 2.0, error="timeout", gpu_seconds=1.0)
    settled(client)
    page = exporter.counted_page()
    assert page['vedette_inferences_total{model="m"}'] == 2
    assert page['vedette_inference_duration_seconds_sum{model="m"}'] == 2.25
    assert page['vedette_time_to_first_token_seconds_sum{model="m"}'] == 0.05
    assert page['vedette_inference_failures_total{model="m",reason="timeout"}'] == 1
    assert page['vedette_cost_dollars_total{model="m"}'] == 0.5
    assert page['vedette_tokens_total{direction="output",model="m"}'] == 4
    assert page['vedette_pushed_error_ratio{model="m"}'] == 0.25
    assert page['vedette_resource_utilization_ratio{model="m",resource="cpu_usage"}'] == 0.5


def test_reports_of_drift_are_in_the_history(client: Client, exporter: Exporter) -> None:
    client.drift("m", "data", "high", 0.9, tags={"by": "us"})
    client.drift("m", "concept", "low", 0.5)
    settled(client)
    while len(rows := exporter.get("/api/v1/metrics/drift")["drift_metrics"]) < 2:
        pass
    assert {(row["drift_type"], row["severity"], row["confidence"], row["source"]) for row in rows} == {
        ("data", "high", 0.9, "reported"),
        ("concept", "low", 0.5, "reported"),
    }


def test_a_registered_model_is_watched_with_its_thresholds(client: Client, exporter: Exporter) -> None:
    client.register_model(
        "bot",
        name="Bot",
        model_type="llm",
        version="3",
        environment="prod",
        thresholds={"latency": 500, "cost_per_hour": 2.0},
        objectives={"availability": 0.99},
        prices={"request": 0.01},
    )
    settled(client)
    page = exporter.counted_page()
    assert page['vedette_model_info{modality="text",model="bot",stage="prod",version="3"}'] == 1
    assert page['vedette_model_latency_threshold_seconds{model="bot"}'] == 0.5
    assert page['vedette_model_objective_ratio{model="bot",slo="availability"}'] == 0.99


def test_custom_metrics_of_every_kind_are_exposed(client: Client, exporter: Exporter) -> None:
    client.custom("queue_length", 3, labels={"zone": "a"})
    for _ in range(2):
        client.custom("cache_hits", 2, kind="counter")
    client.custom("batch_rows", 7, kind="histogram")
    settled(client)
    page = exporter.counted_page()
    assert page['vedette_custom_queue_length{zone="a"}'] == 3
    assert page["vedette_custom_cache_hits_total"] == 4
    assert page["vedette_custom_batch_rows_sum"] == 7


def test_true_labels_are_joined_to_what_was_predicted(client: Client, exporter: Exporter) -> None:
    queries = [client.push(model="m", input=f"{n}", output={"label": "spam"}) for n in range(4)]
    settled(client)
    for query, label in zip(queries, ("spam", "spam", "spam", "ham"), strict=True):
        client.feedback(query, label, model="m")
    settled(client)
    assert exporter.counted_page()['vedette_model_accuracy_ratio{model="m"}'] == 0.75
    assert exporter.get("/api/v1/models")["total"] == 1


NAN = float("nan")
#: what services give as the input and the output of a model, whose exporter takes it as it is or in another form
SHAPES: list[tuple[Any, Any]] = [
    ([{"role": "user", "content": "hi"}], "answer"),
    ([{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]}], {"role": "assistant"}),
    ({"messages": [{"role": "user", "content": "hi"}]}, [{"role": "assistant", "content": "answer"}]),
    ("text", 0.87),
    ("text", 3),
    ("text", [1.7, -0.3]),
    ("text", ["a", "b"]),
    ("text", NAN),
    ("text", True),
    ("text", np.array([[0.2, 0.8]])),
    ("text", np.array(["ham"])),
    ("text", np.zeros((2, 3, 4))),
    ("text", np.float32(1.0) + np.array([1.2e-7, -1.0], np.float32)),
    ("text", {"probabilities": [1.7, -0.3], "label": "spam"}),
    ("text", {"probabilities": np.array([0.2, 0.8]), "raw": NAN, "label": ["spam"]}),
    ("text", {"logits": [NAN, 1.0]}),
    ("text", {"logprobs": [0.5]}),
    ("text", object()),
    ("text", [0, 0]),
    ("text", [True, False]),
    (np.array([[1.0, 2.0]]), [0.2, 0.8]),
    (np.array([1, 2]), 0),
    ([[1.0, 2.0]], 0),
    ([{"amount": 1.5}], 0),
    ({"user": {"age": 3, "tags": ["a", "b"]}, "amount": np.float32(1.5)}, 0),
    ({"amount": NAN, "whole": 1 << 70, "zone": "a", "other": object()}, 0),
    ([1.0, "red", None, True], 0),
    ([1.0, NAN], 0),
    ([True, False], 0),
    (3.5, 0),
    (("a", "b"), 0),
    ({"embedding": np.array([0.5, 0.5])}, 0),
    (np.zeros((1, 4, 4, 3), np.float32), 0),
    (np.zeros((4, 4), np.uint8), 0),
]
#: inputs that are of no form: what else there is of the call is told
NO_QUERY: list[Any] = [
    np.array([[1.0, 2.0], [3.0, 4.0]]),
    np.zeros((4, 4, 3), np.int64) - 1,
    np.full((4, 4, 3), NAN),
    np.zeros((0, 4, 3)),
    [[1.0, 2.0], [3.0, 4.0]],
    [{"amount": 1.5}, {"amount": 2.5}],
    [{"role": "user", "content": None}],
    [],
    {},
    {"amount": NAN},
    {"embedding": [NAN]},
    {"embedding": "text"},
    object(),
]


def test_no_shape_of_an_input_or_output_costs_the_call_its_record(client: Client, exporter: Exporter) -> None:
    for input, output in SHAPES:
        monitor("m", client=client, inputs=True, outputs=lambda _, output=output: output)(lambda given: given)(input)
        client.push(model="m", input=input, output=output)
    settled(client)
    assert exporter.counted() == 2 * len(SHAPES)


def test_a_call_whose_input_has_no_form_is_measured_all_the_same(client: Client, exporter: Exporter) -> None:
    @monitor("m", client=client, inputs=True, tokens=lambda _: {"output": 2})
    def stream(given: Any) -> Iterator[str]:
        yield "a"
        raise TimeoutError

    for given in NO_QUERY:
        with pytest.raises(TimeoutError):
            list(stream(given))
    settled(client)
    page = exporter.counted_page()
    assert page['vedette_inferences_total{model="m"}'] == len(NO_QUERY)
    assert page['vedette_inference_duration_seconds_count{model="m"}'] == len(NO_QUERY)
    assert page['vedette_time_to_first_token_seconds_count{model="m"}'] == len(NO_QUERY)
    assert page['vedette_tokens_total{direction="output",model="m"}'] == 2 * len(NO_QUERY)
    assert page['vedette_inference_failures_total{model="m",reason="timeout"}'] == len(NO_QUERY)
    assert page['vedette_queries_total{model="m"}'] == 0
    assert client.stats().left_out == {"input": len(NO_QUERY)}


def test_why_a_record_is_refused_stands_in_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.push(model="m", input="fine")
    client.push({"model": "m", "input": "text", "timestamp": "noon"})
    client.inference("m", -1.0)
    assert client.flush(30)
    assert dict(client.stats().dropped) == {"rejected": 2}
    assert "[1] timestamp: 'noon' is no RFC 3339 time" in caplog.text
    assert "latency: expected `float` > 0.0" in caplog.text


def test_gauges_of_two_instances_stand_beside_each_other(client: Client, exporter: Exporter) -> None:
    with Client(exporter.url, instance="replica-2") as second:
        for one, value in ((client, 0.75), (second, 0.25)):
            one.inference("m", 1.0, error_rate=value, throughput=value, resource_usage={"cpu_usage": value})
            one.custom("queue_length", value)
            assert one.flush(30)
        second.custom("queue_length", 0.5, instance="shard-9")
    page = exporter.counted_page()
    assert page['vedette_pushed_error_ratio{model="m"}'] == 0.75
    assert page['vedette_pushed_throughput_per_second{model="m"}'] == 0.75
    assert page['vedette_resource_utilization_ratio{model="m",resource="cpu_usage"}'] == 0.75
    assert page["vedette_custom_queue_length"] == 0.75


LEAVES = [None, True, 3, 0.5, NAN, 1 << 70, 10**400, 1e308, "", "x", b"a", object(), np.float32(0.5), np.zeros(2)]
KEYS = ["a", "role", "content", "messages", "embedding", "label", "text", "probabilities", "logits", "logprobs", 1]


def anything(chance: random.Random, depth: int = 0) -> Any:
    """Some value of Python or numpy, nested up to four levels."""
    kind = 0 if depth > 3 else chance.randrange(5)
    if kind == 0:
        return chance.choice(LEAVES)
    if kind == 1:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 2:
        return [chance.random() for _ in range(chance.randrange(4))]
    if kind == 3:
        shape = [chance.randrange(3) for _ in range(chance.randrange(5))]
        return np.full(shape, chance.uniform(-2, 2)).astype(chance.choice(["f2", "f8", "u1", "i4", "i8", "bool"]))
    return {chance.choice(KEYS): anything(chance, depth + 1) for _ in range(chance.randrange(4))}


def test_whatever_is_given_nothing_that_is_sent_is_refused(client: Client) -> None:
    chance = random.Random(7)
    for _ in range(3000):
        given = [anything(chance)]  # a list: no input at all is another matter
        client.push({"model": "m", "latency_seconds": 0.5, "input": given, "output": anything(chance)})
    settled(client)
    left_out = client.stats().left_out
    assert 0 < left_out["input"] < 3000
    assert 0 < left_out["output"] < 3000


class Forgetful:
    """Sends to the exporter; the first answer on each path is lost on its way back."""

    def __init__(self, url: str) -> None:
        self._http, self._lost = Http(url), set[str]()

    def __call__(self, path: str, body: bytes) -> Answer:
        answer = self._http(path, body)
        if path not in self._lost:
            self._lost.add(path)
            raise Unreachable("lost")
        return answer


def test_what_is_sent_again_because_an_answer_was_lost_counts_once(exporter: Exporter) -> None:
    exporter.start()
    with Client(exporter.url, flush_interval=0.01, longest_wait=0.01, transport=Forgetful(exporter.url)) as client:
        for _ in range(3):
            client.push(model="m", input="hello", output=[0.9, 0.1])
            client.inference("m", 0.25)
            client.custom("hits", 2, kind="counter")
            client.drift("m", "data", "high", 0.9)
        settled(client)
        assert client.stats().failures >= 4
    page = exporter.counted_page()
    assert page['vedette_queries_total{model="m"}'] == 3
    assert page['vedette_inferences_total{model="m"}'] == 6
    assert page["vedette_custom_hits_total"] == 6
    with Client(exporter.url) as last:  # rows are written in the order in which they came
        last.drift("m", "concept", "low", 0.5)
    while not exporter.get("/api/v1/metrics/drift?drift_type=concept")["drift_metrics"]:
        pass
    assert len(exporter.get("/api/v1/metrics/drift?drift_type=data")["drift_metrics"]) == 3
