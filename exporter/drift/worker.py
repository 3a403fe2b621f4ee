"""The thread on which windows are tested, so that judging does not wait for statistics."""

import logging
import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import Any

log = logging.getLogger(__name__)

#: windows that may wait; one more is not tested
WAITING = 64


class Worker:
    """One thread for all models, started with the first work; it ends with the process."""

    def __init__(self) -> None:
        self._work: Queue[Callable[[], None]] = Queue(WAITING)
        self._thread: threading.Thread | None = None
        #: told of each window that was tested, on this thread: the name of its judge, and what came of it
        self.on_looked: Callable[[str, Any], None] = lambda name, looked: None

    def submit(self, work: Callable[[], None]) -> bool:
        """Have something done soon; False when too much waits already. From one thread."""
        try:
            self._work.put_nowait(work)
        except Full:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="drift", daemon=True)
            self._thread.start()
        return True

    def finish(self) -> None:
        """Wait until all that was submitted is done."""
        self._work.join()

    def _run(self) -> None:
        while True:
            work = self._work.get()
            try:
                work()
            except Exception as error:  # of one window; the others are tested
                log.error("a window could not be tested for drift", extra={"error": type(error).__name__})
            finally:
                self._work.task_done()
