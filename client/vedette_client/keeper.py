"""Keeping: what the host left is encoded and put into the buffer. No thread and no clock of its own."""

import time
from collections.abc import Callable
from typing import Any

from vedette_client.buffer import Buffer
from vedette_client.encode import encode
from vedette_client.identity import process_name
from vedette_client.inputs import as_input
from vedette_client.intake import Intake
from vedette_client.notices import Notices
from vedette_client.outputs import as_output
from vedette_client.resources import Usage
from vedette_client.samples import has_gauges, sample_of
from vedette_client.settings import Settings
from vedette_client.statistics import Counts

#: records that are encoded before other threads get a turn: so long may one encoding hold them up
TURN = 16
#: seconds between looks for what other processes left behind
ADOPT_SECONDS = 60.0


class TooLarge(ValueError):
    """A record is longer than allowed."""


class Keeper:
    """Moves records from the intake to the buffer."""

    def __init__(
        self,
        intake: Intake,
        buffer: Buffer,
        settings: Settings,
        counts: Counts,
        notices: Notices,
        clock: Callable[[], float],
        sample: Callable[[], Usage] = dict,
    ) -> None:
        """sample: how busy the machine is."""
        self._intake, self._buffer, self._settings = intake, buffer, settings
        self._counts, self._notices = counts, notices
        self._clock, self._sample = clock, sample
        self._adopted_at = clock()
        self._instance = settings.instance or process_name()
        self._sampled_at: dict[str, float] = {}
        self._damaged = 0
        #: how many records were taken from the intake
        self.taken = 0

    def step(self) -> None:
        """Keep all that is there now."""
        for _ in range(len(self._intake) // self._settings.batch_records + 1):
            self._keep(self._settings.batch_records)
        self._warn()
        if self._clock() - self._adopted_at >= ADOPT_SECONDS:
            self._adopted_at = self._clock()
            self._adopt()

    def _keep(self, most: int) -> None:
        records = self._intake.take(most)
        lines: dict[str, list[bytes]] = {}
        for place, (kind, fields) in enumerate(records):
            if place % TURN == TURN - 1:
                time.sleep(0)
            try:
                kind, fields = self._fitted(fields) if kind == "query" else (kind, fields)
                lines.setdefault(kind, []).append(self._line(kind, fields))
            except Exception as error:  # what the host gave may raise anything, wherever it is touched
                self._drop(kind, error)
        with self._buffer.lock:
            is_well = self._buffer.put(lines)
            self._counts.drop("buffer_full", self._buffer.bound())
            self._counts.drop("damaged", self._buffer.damaged - self._damaged)
            self._damaged = self._buffer.damaged
        if not is_well:
            self._notices.warn("disk", "the buffer folder cannot be written; records wait in memory")
        elif lines:
            self._notices.over("disk", "the buffer folder can be written again")
        self.taken += len(records)

    def _drop(self, kind: str, error: Exception) -> None:
        reason = "too_large" if isinstance(error, TooLarge) else "unencodable"
        self._counts.drop(reason)
        self._notices.warn(f"{reason} {kind}", f"a record of kind {kind} is dropped: {reason}")

    def _fitted(self, query: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """A query in the exporter's forms; a sample of its inference where its input has none.

        Raises TypeError where nothing else is told, either.
        """
        sample = sample_of(query)
        self._fit(query, "output", as_output)
        if self._fit(query, "input", as_input):
            return "query", query
        if sample is None:
            raise TypeError("input")
        return "inference", sample

    def _fit(self, query: dict[str, Any], name: str, fitted: Callable[[Any], Any]) -> bool:
        """Bring a part of a query into form, or leave it out; whether nothing was lost."""
        value = query.get(name)
        if value is None:
            return True
        try:
            query[name] = fitted(value)
        except Exception:  # whatever the host's objects raise
            query[name] = None
        if query[name] is not None:
            return True
        self._counts.leave_out(name)
        self._notices.mention(
            name, f"an {name} of type {type(value).__name__} has no form to be told in; it is left out"
        )
        return False

    def _line(self, kind: str, fields: dict[str, Any]) -> bytes:
        if kind == "inference":
            for name in ("latency", "time_to_first_token"):
                fields[name] = _milliseconds(fields.pop(f"{name}_seconds", None))
            if self._settings.resources_interval is not None:
                self._add_usage(fields, self._settings.resources_interval)
        if fields.get("instance") is None and has_gauges(kind, fields):
            fields["instance"] = self._instance
        line = encode({name: value for name, value in fields.items() if value is not None})
        if len(line) > self._settings.record_bytes:
            raise TooLarge
        return line

    def _add_usage(self, fields: dict[str, Any], interval: float) -> None:
        """Let the first sample of a model in each interval carry what the machine does."""
        model, now = str(fields.get("model_id")), self._clock()
        if fields.get("resource_usage") is None and now - self._sampled_at.get(model, -interval) >= interval:
            self._sampled_at[model] = now
            fields["resource_usage"] = self._sample() or None

    def _warn(self) -> None:
        if self._intake.full.value():
            self._notices.warn("queue_full", "records come faster than they can be encoded; some are dropped")
        if self._counts.dropped().get("buffer_full"):
            self._notices.warn("buffer_full", "the buffer is full; the oldest records are dropped")

    def _adopt(self) -> None:
        try:
            with self._buffer.lock:
                self._buffer.adopt()
        except OSError as error:
            self._notices.warn("adopt", f"what other processes left cannot be read ({type(error).__name__})")


def _milliseconds(seconds: Any) -> float | None:
    """A time as the interface has it: above 0 where a clock was too coarse to see it."""
    return None if seconds is None else float(seconds) * 1000 or 1e-6
