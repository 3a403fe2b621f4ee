"""Events during which another normal holds."""

from pathlib import Path

import numpy as np
import pytest

from exporter.anomalies import events as module
from exporter.anomalies.events import KEPT_SECONDS, Event, Events, read, told
from exporter.config.anomalies import Context
from tests.exporter.anomalies.conftest import NOW, STEP, Recorded

TIMES = np.arange(NOW, NOW + 5 * STEP, STEP)


def test_a_time_belongs_to_the_event_that_was_told_last() -> None:
    events = [Event("deployment", NOW + 60, NOW + 180), Event("backup", NOW + 180, NOW + 600)]
    assert told(events, TIMES).tolist() == ["", "deployment", "deployment", "backup", "backup"]


def test_an_expression_holds_where_it_has_a_value_other_than_0_and_the_first_one_wins(recorded: Recorded) -> None:
    recorded.add("deploying", lambda times: np.where(times == NOW + 60, 1.0, 0.0), app="a")
    recorded.add("deploying", lambda times: np.where(times == NOW + 120, 1.0, np.nan), app="b")
    recorded.add("saving", lambda times: np.where(times >= NOW + 120, 3.0, 0.0))
    contexts = [Context(kind="deployment", expr="deploying"), Context(kind="backup", expr="saving")]
    assert read(contexts, recorded, TIMES, STEP).tolist() == ["", "deployment", "deployment", "backup", "backup"]
    assert read(contexts, recorded, np.empty(0), STEP).tolist() == []


def test_events_outlast_a_restart_and_old_ones_are_let_go(tmp_path: Path) -> None:
    path = tmp_path / "state" / "events.json"
    events = Events(path)
    events.add(Event("old", 0.0, 60.0))
    events.add(Event("new", KEPT_SECONDS + 100, KEPT_SECONDS + 200))
    assert [event.kind for event in Events(path).all()] == ["new"]


@pytest.mark.parametrize("damaged", [b"", b"\0", b'[{"kind": 1}]', b'[{"kind": "\xff"}]'])
def test_a_damaged_file_keeps_nobody_from_starting(
    damaged: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(damaged)
    events = Events(path)
    assert "the events that were told are lost" in caplog.text
    events.add(Event("new", 100.0, 200.0))
    assert [event.kind for event in Events(path).all()] == ["new"]


def test_what_was_told_stays_known_over_any_number_of_tellings(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.json")
    told_of = [Event("deployment", 60.0 * number, 60.0 * number + 30) for number in range(3)]
    for event in told_of:
        events.add(event)
    assert events.all() == Events(tmp_path / "events.json").all() == told_of


def test_only_the_newest_events_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    events = Events()
    for number in range(3):
        events.add(Event("deployment", 60.0 * number, 60.0 * number + 30))
    assert [event.start for event in events.all()] == [60.0, 120.0]
