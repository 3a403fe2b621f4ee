"""What survives a restart of samples: inferences, true labels, custom metrics, reports."""

import msgspec
import pytest

from exporter.config import Limits, Model, Prices
from exporter.delivery import Delivery
from exporter.formats import custom, drift, feedback
from tests.exporter.recovery.conftest import DETECTORS, Run, live

MODEL = Model(name="m", prices=Prices(request=0.001))


def sample(number: int, **more) -> dict:
    return {"model_id": "m", "model_type": "llm", "request_id": f"r{number}", "latency": 10.5 + number, **more}


@pytest.mark.parametrize("saved", [False, True], ids=["from the journal", "from a snapshot and the journal"])
def test_samples_and_what_they_are_joined_to_come_back(tmp_path, config, saved):
    configured = config(*DETECTORS, models=(MODEL,))
    first = live(tmp_path, configured)
    first.push({"model": "m", "id": "r1", "input": "x", "tokens": {"input": 3, "output": 4}, "error": "timeout"})
    first.measure(sample(2, throughput=7.0), sample(3))
    if saved:
        first.keeper.save()
    first.measure(sample(1, resource_usage={"cpu_usage": 0.5}), sample(3))
    first.push({"model": "m", "id": "r2", "input": "x", "latency_seconds": 0.1})
    before = first.health()
    first.kill()
    second = live(tmp_path, configured)
    after = second.health()
    assert after["inferences"] == "3"
    assert after == before
    assert second.keeper.epoch == first.keeper.epoch
    second.measure(sample(1), sample(2), sample(3))
    assert second.health()["inferences"] == "3"


@pytest.mark.parametrize("saved", [False, True], ids=["from the journal", "from a snapshot and the journal"])
def test_true_labels_and_what_they_say_come_back(tmp_path, config, saved):
    def tell(run: Run, *names: str) -> list[str]:
        body = msgspec.json.encode([{"id": name, "label": "a"} for name in names])
        truths = feedback.decode(body, Limits())
        run.ledger.take(Delivery("feedback", (), 1000.0, samples=truths), body)
        run.judge()
        return [truth.told for truth in truths]

    configured = config(*DETECTORS, models=(MODEL,))
    first = live(tmp_path, configured)
    first.push(*({"id": str(n), "input": "x", "output": {"label": "ab"[n % 2]}} for n in range(4)))
    assert tell(first, "0", "1") == ["joined", "joined"]
    if saved:
        first.keeper.save()
    assert tell(first, "2") == ["joined"]
    before = first.pipeline.models.of("m").drift.feedback.dump()
    first.kill()
    second = live(tmp_path, configured)
    assert second.pipeline.models.of("m").drift.feedback.dump() == before
    assert tell(second, "2", "3") == ["unknown", "joined"]


def test_other_prices_are_another_way_of_counting(tmp_path, config):
    first = live(tmp_path, config(*DETECTORS, models=(MODEL,)))
    first.measure(sample(1))
    first.kill()
    dearer = msgspec.structs.replace(MODEL, prices=Prices(request=0.002))
    second = live(tmp_path, config(*DETECTORS, models=(dearer,)), clock=lambda: 2000.0)
    assert (second.health()["inferences"], second.keeper.epoch) == ("0", 2000.0)


@pytest.mark.parametrize("saved", [False, True], ids=["from the journal", "from a snapshot and the journal"])
def test_custom_counters_and_histograms_come_back(tmp_path, configured, saved):
    def push(run: Run, value: float) -> list[float]:
        samples = [
            {"name": name, "kind": name, "value": value, "labels": {"a": "b"}} for name in ("counter", "histogram")
        ]
        body = msgspec.json.encode(samples)
        run.ledger.take(Delivery("custom", (), 1000.0, samples=custom.decode(body, Limits())), body)
        run.judge()
        return shown(run)

    def shown(run: Run) -> list[float]:
        return [sample.value for metric in run.pipeline.samples.custom.metrics(1000.0) for sample in metric.samples]

    first = live(tmp_path, configured)
    push(first, 0.1)
    if saved:
        first.keeper.save()
    before = push(first, 0.2)
    first.kill()
    assert shown(live(tmp_path, configured)) == before


@pytest.mark.parametrize("saved", [False, True], ids=["from the journal", "from a snapshot and the journal"])
def test_a_custom_sample_that_comes_again_after_a_restart_counts_once(tmp_path, configured, saved):
    def push(run: Run, *names: str) -> None:
        samples = [{"name": "hits", "kind": "counter", "value": 1, "id": name} for name in names]
        body = msgspec.json.encode(samples)
        run.ledger.take(Delivery("custom", (), 1000.0, samples=custom.decode(body, Limits())), body)
        run.judge()

    first = live(tmp_path, configured)
    push(first, "a", "b", "a")
    if saved:
        first.keeper.save()
    first.kill()
    second = live(tmp_path, configured)
    push(second, "b", "c")
    [metric] = second.pipeline.samples.custom.metrics(1000.0)
    assert [sample.value for sample in metric.samples] == [3]


@pytest.mark.parametrize("saved", [False, True], ids=["from the journal", "from a snapshot and the journal"])
def test_reports_of_drift_are_told_again_with_the_same_keys(tmp_path, configured, saved):
    def told(run: Run) -> list[tuple[str, float, int]]:
        found = []
        run.pipeline.samples.reports.on_report = lambda report, time, key: found.append((report.feature, time, key))
        run.pipeline.samples.reports.tell_again()
        return found

    first = live(tmp_path, configured)
    for feature in ("a", "b"):
        body = msgspec.json.encode(
            {"model_id": "m", "drift_type": "data", "severity": "low", "confidence": 0.5, "feature": feature}
        )
        first.ledger.take(Delivery("drift", (), 1000.0, samples=drift.decode(body, Limits())), body)
        first.judge()
        if saved:
            first.keeper.save()
    before = told(first)
    first.kill()
    assert [feature for feature, _, _ in before] == ["a", "b"]
    assert told(live(tmp_path, configured)) == before
