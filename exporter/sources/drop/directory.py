"""The drop directory: files that appear in a folder are read as queries.

One thread looks for files, reads them, hands chunks to the pipeline and puts files away; the judging thread only tells
it which chunks are judged.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from exporter.config import Limits
from exporter.delivery import Delivery
from exporter.sources.drop.positions import Position
from exporter.sources.drop.queries import LOOK_SECONDS, DropQueries
from exporter.sources.drop.watch import watch

log = logging.getLogger(__name__)

#: seconds to wait for room in the queue before looking whether to stop
PUT_SECONDS = 0.5
#: seconds before it is tried again: the disk may be full
PAUSE_SECONDS = 0.1


class Taker(Protocol):
    """Where queries are handed over."""

    def put(self, delivery: Delivery, timeout: float) -> bool:
        """Take the delivery and write it down, waiting for room up to `timeout` seconds; False when not taken."""
        ...


class DropDirectory:
    """The source `drop`: `queries.counts` and `queries.files` say what it did, `queries.limits` may be replaced.

    path: the folder, created if need be. done: what happens to a file that was read. watching: whether to ask the
    system for notices besides looking through the folder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        limits: Limits,
        *,
        done: Literal["move", "delete"] = "move",
        settle_seconds: float = 2.0,
        watching: bool = True,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._watching = os.path.abspath(path), watching
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.queries = DropQueries(
            self._path,
            limits,
            done=done,
            settle_seconds=settle_seconds,
            wake=self._wake.set,
            stopping=self._stopping.is_set,
            clock=clock,
            steady=steady,
        )

    def start(self, taker: Taker, recovered: Iterable[Position] = ()) -> None:
        """Go on at these positions and begin to read. Raises OSError when the folder is not to be had."""
        os.makedirs(self._path, exist_ok=True)
        self.queries.seek(recovered)
        self._thread = threading.Thread(target=self._run, args=(taker,), name="drop", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish the chunk in hand and wait until what was handed over is judged.

        To be called while the pipeline still judges. False when that took longer than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        self.queries.close()
        while not (judged := self.queries.is_judged()) and (left := deadline - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
        return judged

    def _run(self, taker: Taker) -> None:
        observer = watch(self._path, self.queries.arrivals, self.queries.look_soon) if self._watching else None
        while not self._stopping.is_set():
            delivery = self._poll()
            if delivery is not None:
                self._hand_over(delivery, taker)
            elif not self._stopping.is_set():
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()
        if observer is not None:
            observer.stop()
            observer.join()

    def _poll(self) -> Delivery | None:
        try:
            return self.queries.poll()
        except Exception:  # whatever it is, the other files must still be read
            log.exception("the drop directory could not be read on")
            return None

    def _hand_over(self, delivery: Delivery, taker: Taker) -> None:
        while not taker.put(delivery, PUT_SECONDS):
            if self._stopping.wait(PAUSE_SECONDS):
                self.queries.take_back(delivery)  # the next run reads it again
                return
        self.queries.counts.take(len(delivery.queries))
