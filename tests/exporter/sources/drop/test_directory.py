"""The threads of the drop directory: notices, a full queue, faults."""

import errno
import logging
import os
import queue
import threading

import pytest

from exporter.config import Config, Model
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.drop import filing, queries
from exporter.sources.drop.directory import DropDirectory
from tests.exporter.sources.drop.conftest import LIMITS, Desk, ndjson


class JudgingThread:
    """A bounded queue and a thread that judges what is in it."""

    def __init__(self, capacity=2):
        self.queue, self.inputs = queue.Queue(capacity), []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def put(self, delivery, timeout):
        try:
            self.queue.put(delivery, timeout=timeout)
        except queue.Full:
            return False
        return True

    def run(self):
        while delivery := self.queue.get():
            with self.changed:
                self.inputs += [query.input_data for query in delivery.queries]
                self.changed.notify_all()
            delivery.done(())

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.inputs) >= count, timeout=30)

    def stop(self):
        self.queue.put(None)
        self.thread.join()


@pytest.fixture
def judging():
    pipeline = JudgingThread()
    yield pipeline
    pipeline.stop()


def started(tmp_path, pipeline, **options):
    source = DropDirectory(tmp_path / "drop", LIMITS, **options)
    source.start(pipeline)
    return source


def test_files_that_were_there_and_files_that_are_written_moved_in_or_renamed_are_read(tmp_path, judging):
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "there.ndjson").write_text(ndjson(["there"]))
    source = started(tmp_path, judging, settle_seconds=0.2)
    (folder / "written.ndjson").write_text(ndjson(["written"]))
    (tmp_path / "moved.ndjson").write_text(ndjson(["moved"]))
    (tmp_path / "moved.ndjson").rename(folder / "moved.ndjson")
    (folder / "renamed.part").write_text(ndjson(["renamed"]))
    (folder / "renamed.part").rename(folder / "renamed.ndjson")
    judging.wait_for(4)
    assert source.stop(10.0)
    assert sorted(judging.inputs) == ["moved", "renamed", "there", "written"]
    assert source.queries.counts.accepted == 4
    assert len(os.listdir(folder / "done")) == 4


class Noting:
    """The real pipeline, and an event once so many queries were put."""

    def __init__(self, pipeline, count):
        self.pipeline, self.left, self.reached = pipeline, count, threading.Event()

    def put(self, delivery, timeout):
        taken = self.pipeline.put(delivery, timeout)
        self.left -= taken and len(delivery.queries)
        if self.left <= 0:
            self.reached.set()
        return taken


def test_the_real_pipeline_judges_what_is_dropped(tmp_path):
    pipeline = Pipeline(Models(Config(models=(Model(name="m"),))), capacity=2000, capacity_bytes=1 << 20)
    pipeline.start()
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.csv").write_text("model,x,timestamp\n" + "m,1,50\n" * 4000)
    noting = Noting(Ledger(pipeline), 4000)
    source = started(tmp_path, noting, settle_seconds=0.0)
    assert noting.reached.wait(30)
    assert source.stop(10.0)
    assert pipeline.stop(10.0)
    assert pipeline.models.of("m").queries == 4000
    assert pipeline.models.of("m").clock == 50
    assert [position.taken for position in pipeline.positions.values()] == [4000]


def test_notices_make_reading_prompt(tmp_path, judging):
    """The settling time would take hours."""
    source = started(tmp_path, judging, settle_seconds=9999.0)
    seen = threading.Event()
    look, source.queries._look = source.queries._look, lambda: (look(), seen.set())
    assert seen.wait(30)
    (tmp_path / "drop" / "written.ndjson").write_text(ndjson(["written"]))
    judging.wait_for(1)
    (tmp_path / "moved.ndjson").write_text(ndjson(["moved"]))
    (tmp_path / "moved.ndjson").rename(tmp_path / "drop" / "moved.ndjson")
    judging.wait_for(2)
    (tmp_path / "drop" / "renamed.part").write_text(ndjson(["renamed"]))
    (tmp_path / "drop" / "renamed.part").rename(tmp_path / "drop" / "renamed.ndjson")
    judging.wait_for(3)
    assert source.stop(10.0)
    assert judging.inputs == ["written", "moved", "renamed"]


def test_without_notices_the_folder_is_looked_through(tmp_path, judging, monkeypatch, caplog):
    def fail():
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("exporter.sources.drop.watch._observer", fail)
    with caplog.at_level(logging.WARNING):
        source = started(tmp_path, judging, settle_seconds=0.0)
        (tmp_path / "drop" / "a.ndjson").write_text(ndjson("a"))
        judging.wait_for(1)
    assert source.stop(10.0)
    assert [record.reason for record in caplog.records] == ["inotify instance limit reached"]


def test_a_full_queue_holds_reading_back_and_a_stop_loses_nothing(tmp_path):
    class Full:
        def __init__(self):
            self.asked = threading.Event()

        def put(self, delivery, timeout):
            self.asked.set()
            return False

    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.ndjson").write_text(ndjson("a") + "junk\n")
    full = Full()
    source = started(tmp_path, full, settle_seconds=0.0, watching=False)
    assert full.asked.wait(30)
    assert source.stop(10.0)
    assert source.queries.counts.accepted == 0
    desk = Desk(tmp_path)
    assert desk.inputs() == ["a"]
    assert len(desk.report()) == 1


def test_a_folder_that_cannot_be_made_is_an_error_at_the_start(tmp_path):
    (tmp_path / "drop").write_text("a file")
    with pytest.raises(FileExistsError):
        started(tmp_path, None)


def test_an_unexpected_fault_is_logged_and_reading_goes_on(tmp_path, judging, monkeypatch, caplog):
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.ndjson").write_text(ndjson("a"))
    real, calls = filing.open_folder, []

    def failing(path):
        calls.append(path)
        if len(calls) == 1:
            raise ZeroDivisionError("a fault")
        return real(path)

    monkeypatch.setattr(queries, "open_folder", failing)
    source = started(tmp_path, judging, settle_seconds=0.0, watching=False)
    judging.wait_for(1)
    assert source.stop(10.0)
    assert "the drop directory could not be read on" in caplog.text
