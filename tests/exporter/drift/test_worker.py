"""The thread of the tests: in order, bounded, and alive after a failure."""

import logging
import threading

import pytest

from exporter.drift.worker import WAITING, Worker


def test_work_is_done_in_order_on_a_thread_of_its_own() -> None:
    worker, done = Worker(), []
    for index in range(5):
        assert worker.submit(lambda index=index: done.append((index, threading.current_thread().name)))
    worker.finish()
    assert done == [(index, "drift") for index in range(5)]


def test_beyond_what_may_wait_nothing_is_taken() -> None:
    worker, gate, begun = Worker(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait(10)

    assert worker.submit(wait)
    assert begun.wait(10)
    taken = [worker.submit(lambda: None) for _ in range(WAITING + 3)]
    assert taken == [True] * WAITING + [False] * 3
    gate.set()
    worker.finish()
    assert worker.submit(lambda: None)


def test_a_failure_is_logged_without_its_words_and_the_next_is_done(caplog: pytest.LogCaptureFixture) -> None:
    worker, done = Worker(), []
    with caplog.at_level(logging.ERROR):
        worker.submit(lambda: {}["content of a query"])
        worker.submit(lambda: done.append(1))
        worker.finish()
    assert done == [1]
    assert [record.error for record in caplog.records] == ["KeyError"]  # type: ignore[attr-defined]
    assert "content" not in caplog.text
