"""Keeping: what is added to records and what is dropped before it is sent."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exporter.conftest import Clock
from vedette_client.buffer import Buffer
from vedette_client.disk_log import DiskLog
from vedette_client.identity import process_name
from vedette_client.intake import Intake
from vedette_client.keeper import Keeper
from vedette_client.notices import Notices
from vedette_client.settings import Settings
from vedette_client.slots import claim
from vedette_client.statistics import Counts


class Rig:
    def __init__(self, clock: Clock, settings: Settings) -> None:
        self.intake, self.buffer, self.counts = Intake(1000, 100), Buffer(settings.buffer_bytes), Counts()
        usage = {"cpu_usage": 0.5}
        common = (settings, self.counts, Notices(), clock)
        self.keeper = Keeper(self.intake, self.buffer, *common, lambda: usage)

    def kept(self, kind: str) -> list[dict]:
        self.keeper.step()
        lane = self.buffer.lanes[kind]
        lines = lane.flight(1000, 1 << 20)
        lane.settle(len(lines))
        return [json.loads(line) for line in lines]


@pytest.fixture
def rig(clock: Clock) -> Callable[..., Rig]:
    return lambda **settings: Rig(clock, Settings(**settings))


def test_a_record_that_is_too_large_is_dropped_and_counted(rig: Callable[..., Rig]) -> None:
    keeping = rig(record_bytes=100)
    keeping.intake.put("query", {"input": "x" * 100})
    keeping.intake.put("query", {"input": "y"})
    assert keeping.kept("query") == [{"input": "y"}]
    assert dict(keeping.counts.dropped()) == {"too_large": 1}


def test_a_text_that_answers_is_told_as_a_text_whoever_reports_it(rig: Callable[..., Rig]) -> None:
    keeping = rig()
    keeping.intake.put("query", {"input": [{"role": "user", "content": "hi"}], "output": "answer"})
    assert keeping.kept("query") == [{"input": "hi", "output": {"text": "answer"}}]


def test_what_has_no_form_is_left_out_and_counted_and_mentioned_once(
    rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="vedette_client")
    keeping = rig()
    for _ in range(2):
        keeping.intake.put("query", {"input": "PRIVATE", "output": [1.7, -0.3]})
    assert keeping.kept("query") == [{"input": "PRIVATE"}] * 2
    assert keeping.counts.read(0, 0, 0, "closed", {}).left_out == {"output": 2}
    assert [record.message for record in caplog.records] == [
        "vedette: an output of type list has no form to be told in; it is left out"
    ]


def test_a_query_without_an_input_that_can_be_told_is_a_sample_or_nothing(rig: Callable[..., Rig]) -> None:
    keeping = rig()
    keeping.intake.put("query", {"id": "1", "model": "m", "input": object(), "latency_seconds": 0.5})
    keeping.intake.put("query", {"id": "2", "model": "m", "input": object()})
    [sample] = keeping.kept("inference")
    assert sample == {"model_id": "m", "request_id": "1", "model_type": "llm", "latency": 500}
    assert keeping.kept("query") == []
    assert dict(keeping.counts.dropped()) == {"unencodable": 1}


def test_a_latency_is_told_in_milliseconds_and_a_clock_too_coarse_gives_no_0(rig: Callable[..., Rig]) -> None:
    keeping = rig()
    for latency in (0.25, 0.0, -0.25, "slow"):
        keeping.intake.put("inference", {"model_id": "m", "latency_seconds": latency})
    long, short, wrong = keeping.kept("inference")
    assert (long["latency"], wrong["latency"]) == (250, -250)  # what is wrong is for the exporter to refuse
    assert 0 < short["latency"] < 0.001
    assert dict(keeping.counts.dropped()) == {"unencodable": 1}


def test_what_was_damaged_on_disk_is_counted_once(clock: Clock, tmp_path: Path) -> None:
    slot = claim(tmp_path)
    DiskLog(slot.folder, "query", 1 << 20).append([b"1", b"2"])
    slot.release()
    [path] = tmp_path.glob("*/*.log")
    path.write_bytes(path.read_bytes().replace(b" 1\n", b" x\n"))
    counts = Counts()
    keeper = Keeper(Intake(1, 1), Buffer(1 << 20, tmp_path), Settings(), counts, Notices(), clock)
    for _ in range(2):
        keeper.step()
    assert dict(counts.dropped()) == {"damaged": 1}


def test_the_first_sample_of_a_model_in_each_interval_carries_the_machine(
    rig: Callable[..., Rig], clock: Clock
) -> None:
    keeping = rig(resources_interval=15.0)
    found = []
    for seconds in (0, 1, 13.9, 0.1):
        clock.now += seconds
        for model in ("a", "b"):
            keeping.intake.put("inference", {"model_id": model, "latency_seconds": 1})
        found.append(["resource_usage" in sample for sample in keeping.kept("inference")])
    assert found == [[True, True], [False, False], [False, False], [True, True]]


def test_what_the_machine_does_is_told_of_this_process(rig: Callable[..., Rig]) -> None:
    keeping = rig(resources_interval=15.0)
    keeping.intake.put("inference", {"model_id": "m", "latency_seconds": 1})
    [sample] = keeping.kept("inference")
    assert (sample["resource_usage"], sample["instance"]) == ({"cpu_usage": 0.5}, process_name())


def test_gauges_are_told_of_the_instance_and_nothing_else_is(rig: Callable[..., Rig]) -> None:
    keeping = rig(instance="replica-2")
    for gauge in ({"error_rate": 0.0}, {"throughput": 2.0}, {"resource_usage": {"cpu_usage": 0.5}}, {}):
        keeping.intake.put("inference", {"model_id": "m", "latency_seconds": 1, **gauge})
    keeping.intake.put("inference", {"model_id": "m", "error_rate": 0.5, "tags": {"instance": "mine"}})
    for kind in ("gauge", "counter", "histogram"):
        keeping.intake.put("custom", {"name": "n", "kind": kind})
    keeping.intake.put("custom", {"name": "n", "kind": "gauge", "instance": "shard-9"})
    assert [sample.get("instance") for sample in keeping.kept("inference")] == [*["replica-2"] * 3, None, None]
    assert [sample.get("instance") for sample in keeping.kept("custom")] == ["replica-2", None, None, "shard-9"]


def test_what_the_host_measured_itself_is_left_as_it_is(rig: Callable[..., Rig]) -> None:
    keeping = rig(resources_interval=15.0)
    keeping.intake.put("inference", {"model_id": "m", "latency_seconds": 1, "resource_usage": {"gpu_memory": 0.1}})
    [sample] = keeping.kept("inference")
    assert sample["resource_usage"] == {"gpu_memory": 0.1}
