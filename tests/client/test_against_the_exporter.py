"""Every kind of record against the real exporter: what the client sends is what the exporter takes."""

from collections.abc import Iterator

import pytest

from tests.client.conftest import Exporter
from vedette_client import Client
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
