"""Sending: which lane is next, what its answer means, and when to come again. No thread and no clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from vedette_client.answers import WRONG, Outcome, Verdict, judge
from vedette_client.breaker import Breaker, wait
from vedette_client.buffer import Buffer
from vedette_client.lanes import LANES, body
from vedette_client.notices import Notices
from vedette_client.settings import Settings
from vedette_client.statistics import Counts
from vedette_client.transport import Answer, Transport, Unreachable

#: seconds until nothing at all is looked for again
IDLE = 60.0
#: seconds until a disk that could not be read is tried again
UNREADABLE = 1.0
REFUSED = {
    401: "the key is missing or wrong; records wait until it is right",
    403: "the key may not send to {path}; those records are dropped",
    404: "the exporter has no {path}; those records wait",
}


@dataclass
class Pace:
    """How a lane goes.

    most: records a request may hold now. attempts: put off in a row. errors: how often these ones were answered 500.
    last: number of its last request, so that a busy lane does not starve the others.
    """

    most: int
    not_before: float = 0.0
    attempts: int = 0
    needs_people: bool = False
    errors: int = 0
    last: int = 0


class Sender:
    """Sends the lanes of a buffer, one request a step."""

    def __init__(
        self,
        buffer: Buffer,
        transport: Transport,
        settings: Settings,
        counts: Counts,
        notices: Notices,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._buffer, self._transport, self._settings = buffer, transport, settings
        self._counts, self._notices = counts, notices
        self._clock, self._random = clock, random
        self._paces = {name: Pace(self._most(name)) for name in LANES}
        self.breaker = Breaker(settings.longest_wait, random)
        self._requests = 0

    def _most(self, name: str) -> int:
        return 1 if LANES[name].shape == "single" else self._settings.batch_records

    def step(self) -> float:
        """Send one request if one is due; how many seconds until the next may be."""
        now = self._clock()
        if (closed := self.breaker.seconds(now)) > 0:
            return closed
        left = self._left()
        if due := [name for name in left if self._paces[name].not_before <= now]:
            self._send(min(due, key=lambda name: self._paces[name].last))
            return 0.0
        return min((self._paces[name].not_before - now for name in left), default=IDLE)

    def _left(self) -> list[str]:
        with self._buffer.lock:
            return [name for name, lane in self._buffer.lanes.items() if lane.records]

    def has_hope(self) -> bool:
        """Whether what is left may go soon: the server answers, and some lane waits for no people."""
        return self.breaker.is_well and any(not self._paces[name].needs_people for name in self._left())

    def _send(self, name: str) -> None:
        """One request of a lane."""
        pace = self._paces[name]
        self._requests += 1
        pace.last = self._requests
        probe = 1 if self.breaker.state == "half_open" else pace.most
        with self._buffer.lock:
            lines = self._buffer.lanes[name].flight(self._most(name), self._settings.batch_bytes)[:probe]
        if not lines:  # the disk cannot be read just now
            pace.not_before = self._clock() + UNREADABLE
            return
        try:
            answer = self._transport(LANES[name].path, body(LANES[name], lines))
        except Unreachable as error:
            self._down(str(error), None)
            return
        outcome = judge(answer, len(lines), LANES[name].shape, pace.errors)
        if outcome.verdict is Verdict.DOWN:
            self._down(f"status {answer.status}", answer.retry_after)
            return
        self.breaker.succeeded()
        self._notices.over("down", "the exporter answers again")
        self._follow(name, pace, answer, outcome, len(lines))

    def _down(self, what: str, retry_after: float | None) -> None:
        self._counts.request(failed=True)
        self.breaker.failed(self._clock(), retry_after)
        self._notices.warn("down", f"the exporter cannot be reached ({what}); records wait in the buffer")

    def _follow(self, name: str, pace: Pace, answer: Answer, outcome: Outcome, sent: int) -> None:
        self._counts.request(failed=outcome.verdict is Verdict.LATER)
        if answer.status in REFUSED:
            self._notices.warn(f"{answer.status} {name}", REFUSED[answer.status].format(path=LANES[name].path))
        pace.needs_people = answer.status in WRONG
        if outcome.verdict is Verdict.LATER:
            pace.attempts += 1
            pace.errors += answer.status == 500
            pace.not_before = self._clock() + wait(
                pace.attempts, self._settings.longest_wait, answer.retry_after, self._random
            )
        elif outcome.verdict is Verdict.HALVE:
            pace.most, pace.errors = max(sent // 2, 1), 0
        else:
            self._settle(name, pace, outcome, sent)

    def _settle(self, name: str, pace: Pace, outcome: Outcome, sent: int) -> None:
        if outcome.dropped:
            self._counts.drop(outcome.reason, outcome.dropped)
            why = "; ".join(outcome.told) or "no reason given"
            self._notices.repeat(
                f"{outcome.reason} {name}",
                f"{outcome.dropped} of {sent} records for {LANES[name].path} are dropped: {outcome.reason}: {why}",
            )
        self._counts.deliver(outcome.taken, outcome.duplicates)
        pace.attempts = pace.errors = 0
        with self._buffer.lock:
            lane = self._buffer.lanes[name]
            lane.settle(sent)
            is_over = not lane.in_flight
        if is_over:  # not sooner: the rest of it may be just as large
            pace.most = min(pace.most * 2, self._most(name))
