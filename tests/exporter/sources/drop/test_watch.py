"""The system's notices of new files."""

import logging
import sys
from pathlib import Path
from queue import Queue

import pytest
from watchdog.observers.api import EventQueue, ObservedWatch

from exporter.sources.drop import watch


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux")
def test_an_event_that_comes_while_it_stops_is_no_error_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from watchdog.observers.inotify import InotifyEmitter

    assert watch.watch  # the module is what quiets it
    events: EventQueue = Queue()  # type: ignore[assignment]
    InotifyEmitter(events, ObservedWatch(str(tmp_path), recursive=False)).queue_events(1.0)
    assert caplog.records == []
    logging.getLogger("watchdog.observers.inotify").error("something else")
    assert [record.message for record in caplog.records] == ["something else"]
