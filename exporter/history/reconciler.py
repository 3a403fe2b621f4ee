"""Asks Alertmanager again and again what it holds: a webhook may be lost, and a silenced alert ends without one."""

import logging
import threading
import time
from collections.abc import Callable

from exporter.history.alertmanager import EVERY, OURS, Alertmanager, Unreachable, is_ours
from exporter.history.recorder import Recorder
from exporter.history.rows import Alert

log = logging.getLogger(__name__)


class Reconciler:
    """Looks every `interval` seconds, on a thread of its own, until stopped; writes to the recorder's database."""

    def __init__(
        self,
        recorder: Recorder,
        alertmanager: Alertmanager,
        interval: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._recorder, self._alertmanager, self._interval, self._clock = recorder, alertmanager, interval, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        #: when Alertmanager was last heard and all of it stored
        self.succeeded_at: float | None = None
        self._failing = False

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End; an answer that is awaited is waited for no longer than the time-out."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(self._interval)

    def look(self) -> bool:
        """Take over what Alertmanager holds, and end the silences of alerts that are over; whether that worked."""
        from exporter.history.alert_book import AlertBook  # SQLAlchemy takes its time

        asked_at = self._clock()
        try:
            book = AlertBook(self._recorder.database(), self._recorder.numbers)
            book.reconcile(self._held(book.firing_of_others(), asked_at), asked_at)
            for alert in book.silenced_and_over():
                assert alert.silence_id is not None
                self._alertmanager.expire(alert.silence_id)
                book.forget_silence(alert.id)
        except Exception as error:  # Alertmanager or the database; the next look may succeed
            if not self._failing:
                reason = str(error) if isinstance(error, Unreachable) else type(error).__name__
                log.warning("alerts were not reconciled", extra={"reason": reason})
            self._failing = True
            return False
        self.succeeded_at, self._failing = self._clock(), False
        return True

    def _held(self, others: frozenset[str], now: float) -> list[Alert]:
        """What Alertmanager holds of ours, and of these: without them, not all that a shared one holds is asked for."""
        held = self._alertmanager.alerts(now, EVERY if others else OURS)
        return [one for one in held if one.id in others or is_ours(one.alertname, one.severity)]
