"""Incidents as rows of the history."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.log import AnomalyLog
from exporter.anomalies.recorded import recording
from exporter.config import Config, Storage
from exporter.history.reads import Asked, Kept, page
from exporter.history.recorder import Recorder

NOW = 1_700_000_000.0
FOUND = Anomaly(
    id="1",
    time=NOW,
    worst_at=NOW + 60,
    metric="cpu",
    series="s",
    labels={"instance": "a"},
    value=9.0,
    expected=1.0,
    score=2.0,
    severity="high",
    explanation={"sentence": "9 instead of about 1"},
)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(Config(storage=Storage(path=str(tmp_path))), clock=lambda: NOW + 600)
    yield made
    made.stop(0)


@pytest.fixture
def log(recorder: Recorder) -> AnomalyLog:
    return AnomalyLog(on_change=recording(recorder))


def rows(recorder: Recorder) -> list[Kept]:
    recorder.turn()
    return list(page(recorder.database(), "anomalies", Asked(), limit=10).rows)


def test_an_incident_is_recorded_when_it_has_ended(log: AnomalyLog, recorder: Recorder) -> None:
    lasting = msgspec.structs.replace(FOUND)
    log.put(lasting)
    lasting.score = 3.0
    log.put(lasting)
    assert rows(recorder) == []
    lasting.ended_at = NOW + 120
    log.put(lasting)
    [kept] = rows(recorder)
    told = kept.plain()
    assert (told["time"], told["metric"], told["series"], told["score"]) == (NOW, "cpu", "s", 3.0)
    assert (told["labels"], told["explanation"]) == (FOUND.labels, FOUND.explanation)
    assert (told["source"], told["confirmed"]) == ("found", None)


def test_what_people_say_afterwards_is_one_row_more(log: AnomalyLog, recorder: Recorder) -> None:
    log.put(msgspec.structs.replace(FOUND, ended_at=NOW + 120))
    log.confirm("1", False, "me", NOW + 300)
    assert sorted(str(kept.plain()["confirmed"]) for kept in rows(recorder)) == ["False", "None"]


def test_what_people_said_while_it_lasted_stands_in_its_row(log: AnomalyLog, recorder: Recorder) -> None:
    lasting = msgspec.structs.replace(FOUND)
    log.put(lasting)
    log.confirm("1", True, "me", NOW + 60)
    lasting.ended_at = NOW + 120
    log.put(lasting)
    [kept] = rows(recorder)
    assert (kept.plain()["confirmed"], kept.plain()["confirmed_by"]) == (True, "me")
