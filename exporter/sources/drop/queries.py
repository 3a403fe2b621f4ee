"""The files of the drop directory as a stream of queries with positions: `poll`, `commit`, `seek`.

`poll` gives the next chunk with its position, `commit` takes a position that is judged, `seek` goes back to positions
of an earlier run. A file is put away once its last position is committed.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from exporter.config import Limits
from exporter.delivery import Delivery
from exporter.sources.counts import IntakeCounts
from exporter.sources.drop.arrivals import Arrival, Arrivals, listing
from exporter.sources.drop.filing import REPORTED, Where, open_folder, printable, put_away, report
from exporter.sources.drop.positions import Identity, Position
from exporter.sources.drop.progress import Progress
from exporter.sources.drop.reading import FILE_FAILURES, Changed, Chunk, Failure, Reader

log = logging.getLogger(__name__)

#: seconds between looks at the folder, between counts of it while files are read, and until a file that could not be
#: put away is tried again
LOOK_SECONDS, COUNT_SECONDS, RETRY_SECONDS = 1.0, 5.0, 60.0


class FileCounts:
    """What was counted of files: `read` to their end, whatever came of them, and `failed` by reason."""

    def __init__(self) -> None:
        self.read = self.waiting = 0
        self.failed = dict.fromkeys(FILE_FAILURES, 0)

    def pending(self) -> int:
        """Files in the folder that are for us and not yet judged to their end."""
        return self.waiting


class DropQueries:
    """One thread at a time calls it, and writes `counts` and `files`; only `commit` may be called from any thread.

    path: the folder. done: what happens to a file that was read. wake: called when there may be something to do.
    stopping: whether to leave off as soon as possible. clock: seconds since 1970; steady: seconds that never run back.
    """

    def __init__(
        self,
        path: str,
        limits: Limits,
        *,
        done: Literal["move", "delete"] = "move",
        settle_seconds: float = 2.0,
        wake: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self.counts, self.files = limits, IntakeCounts(), FileCounts()
        self.arrivals = Arrivals(settle_seconds)
        self._path, self._done, self._wake, self._stopping = path, done, wake, stopping
        self._clock, self._steady = clock, steady
        self._stored: dict[Identity, Position] = {}
        #: until it is known where to go on, nothing is known of any file
        self._sought = False
        self._held: dict[tuple[int, int], Progress] = {}
        self._ready: deque[Arrival] = deque()
        self._open: tuple[Progress, Reader] | None = None
        self._commits: deque[Position] = deque()
        self._look_at = self._count_at = float("-inf")
        self._lost = False

    def poll(self) -> Delivery | None:
        """The next queries with their position, None when there are none now. Never waits."""
        self._take_commits()
        while not self._stopping():
            self._count_pending()
            if self._open is None:
                self._open = self._next()
            if self._open is None:
                return None
            delivery = self._read(*self._open)
            if delivery is not None:
                return delivery
        return None

    def commit(self, position: Position) -> None:
        """All queries up to this position of its file are judged. May be called from any thread."""
        self._commits.append(position)
        self._wake()

    def kept(self, judged: Iterable[Position]) -> list[Position]:
        """Where a restart goes on, of all that is judged: the positions of files that are not put away yet.

        judged: up to where queries of files are judged; what was refused behind them is known here alone. May be called
        from any thread.
        """
        if not self._sought:
            return list(judged)
        # a file leaves the first of these after it came into the second
        there = [*list(self._stored.values()), *(file.committed for file in list(self._held.values()))]
        furthest = {position.identity[:2]: position for position in there}
        for position in judged:
            known = furthest.get(position.identity[:2])
            if known is not None and known.offset < position.offset:
                furthest[position.identity[:2]] = position
        return list(furthest.values())

    def seek(self, positions: Iterable[Position]) -> None:
        """Go on at these positions with files that are still what they were."""
        self._stored = {position.identity: position for position in positions}
        self._sought = True

    def take_back(self, delivery: Delivery) -> None:
        """The delivery that was polled last was not taken: it is not counted as read."""
        self._held[delivery.position.identity[:2]].take_back()

    def is_judged(self) -> bool:
        """Whether all that was polled is judged."""
        self._take_commits()
        return all(file.judged for file in self._held.values())

    def look_soon(self) -> None:
        """Something happened in the folder: the next poll looks through it. May be called from any thread."""
        self._look_at = float("-inf")
        self._wake()

    def close(self) -> None:
        """Close the file that is being read."""
        if self._open is not None:
            self._close(self._open[1])

    # -- which file is next

    def _next(self) -> tuple[Progress, Reader] | None:
        """The next complete file, opened."""
        if not self._ready and self._steady() >= self._look_at:
            self._look()
        while self._ready and not self._stopping():
            file = self._begun(self._ready.popleft())
            reader = file and self._opened(file)
            if file and reader:
                return file, reader
        return None

    def _look(self) -> None:
        """Look through the folder, and try again to put away what could not be."""
        now = self._steady()
        self._look_at = now + LOOK_SECONDS
        notices = self.arrivals.notices()
        files = self._files()
        if files is None:
            for name in notices.closed:
                self.arrivals.closed(name)
            return
        identities = set(files.values())
        self._stored = {identity: kept for identity, kept in self._stored.items() if identity in identities}
        self._tidy({identity[:2] for identity in identities}, now)
        self._ready.extend(arrival for arrival in self.arrivals.look(files, now, notices) if self._is_wanted(arrival))
        self._set_pending(identities, now)

    def _count_pending(self) -> None:
        """Tell of the files that come while others are read, which may take long."""
        now = self._steady()
        if now >= self._count_at and (self._open or self._ready):
            files = self._files()
            if files is not None:
                self._set_pending(set(files.values()), now)

    def _set_pending(self, identities: set[Identity], now: float) -> None:
        self.files.waiting = sum(self._is_pending(identity) for identity in identities)
        self._count_at = now + COUNT_SECONDS

    def _files(self) -> dict[str, Identity] | None:
        """What is in the folder; None when that cannot be said now, which is logged once."""
        try:
            with open_folder(self._path) as folder:
                files = listing(folder)
        except OSError as error:
            if not self._lost:
                log.error("the drop directory cannot be read", extra=_why(error))
            self._lost = True
            return None
        self._lost = False
        return files

    def _tidy(self, there: set[tuple[int, int]], now: float) -> None:
        for file in list(self._held.values()):
            if file.paused and file.judged and file.key not in there:
                del self._held[file.key]
            elif file.retry_at is not None and now >= file.retry_at:
                self._put_away(file)

    def _is_wanted(self, arrival: Arrival) -> bool:
        file = self._held.get(arrival.identity[:2])
        return file is None or (file.paused and file.judged)

    def _is_pending(self, identity: Identity) -> bool:
        file = self._held.get(identity[:2])
        return file is None or file.retry_at is None

    def _begun(self, arrival: Arrival) -> Progress | None:
        """The file as it is to be read: from its beginning, from a stored position, or from where it was paused."""
        file = self._held.get(arrival.identity[:2])
        if file is None:
            file = self._held[arrival.identity[:2]] = Progress(arrival, self._stored.get(arrival.identity))
            self._stored.pop(arrival.identity, None)  # only now: `kept` must find it in one of them
        else:
            file.arrival = arrival
        if file.over and not file.paused:
            self._put_away(file)
            return None
        return file

    def _opened(self, file: Progress) -> Reader | None:
        try:
            with open_folder(self._path) as folder:
                reader = Reader(folder, file.arrival, self.limits, self._stopping)
        except (Changed, FileNotFoundError):  # the file, or the whole folder
            self._pause(file)
            return None
        except OSError as error:
            failure = Failure(file.read.line, file.read.offset, "io", error.strerror or str(error))
            self._account(file, Chunk([], [], failure.offset, failure.line, last=True, broken=failure))
            return None
        file.resume(file.arrival, reader.head)
        reader.go_on(file.read.offset, file.read.line)
        return reader

    # -- what becomes of a file

    def _read(self, file: Progress, reader: Reader) -> Delivery | None:
        chunk = reader.read()
        changed = not reader.unchanged()
        if changed or chunk.last:
            self._close(reader)
        if changed:
            self._pause(file)
            return None
        return self._account(file, chunk)

    def _close(self, reader: Reader) -> None:
        reader.close()
        self._open = None

    def _pause(self, file: Progress) -> None:
        """Wait until a file to which somebody writes is complete; what was read of it counts."""
        file.paused = True
        if not file.read.offset:
            del self._held[file.key]

    def _account(self, file: Progress, chunk: Chunk) -> Delivery | None:
        """Count and report what was refused of a chunk, and make a delivery of the queries, if there are any."""
        position = Position(
            printable(file.arrival.name),
            file.arrival.identity,
            chunk.offset,
            chunk.line,
            taken=file.read.taken + len(chunk.queries),
            refused=file.read.refused + len(chunk.failures),
            ended=chunk.last,
            broken=chunk.broken and chunk.broken.code,
        )
        for failure in chunk.failures:
            self.counts.refuse(failure.code)
        self._report(file, chunk)
        file.went_on(position, handing_over=bool(chunk.queries))
        if chunk.queries:
            return self._delivery(chunk, position)
        if file.over:
            self._put_away(file)
        return None

    def _report(self, file: Progress, chunk: Chunk) -> None:
        listed = chunk.failures[: max(REPORTED - file.read.refused, 0)] + ([chunk.broken] if chunk.broken else [])
        if not listed:
            return
        try:
            with open_folder(self._path) as folder:
                report(folder, file.arrival.name, file.tag, listed)
        except OSError as error:
            if not file.unreported:
                log.error("no report on a drop file could be written", extra={"file": file.read.name, **_why(error)})
                self.files.failed["filing"] += 1
            file.unreported = True

    def _delivery(self, chunk: Chunk, position: Position) -> Delivery:
        return Delivery(
            "drop",
            chunk.queries,
            received=self._clock(),
            own_time=any(query.timestamp is not None for query in chunk.queries),
            position=position,
            stream=position.stream,
            size=chunk.size,
            done=lambda outcomes: self.commit(position),
        )

    def _take_commits(self) -> None:
        while self._commits:
            position = self._commits.popleft()
            file = self._held.get(position.identity[:2])
            if file is not None:
                file.commit(position)
                if file.over and file.retry_at is None:
                    self._put_away(file)

    def _put_away(self, file: Progress) -> None:
        """Move or delete a file that is over, and count it."""
        whole = not (file.read.failure or file.unreported or file.read.refused > REPORTED)
        where: Where = "failed" if not whole else "delete" if self._done == "delete" else "done"
        try:
            with open_folder(self._path) as folder:
                outcome = put_away(folder, file.arrival, where)
        except OSError as error:
            self._count(file)
            if file.retry_at is None:
                log.error("a drop file was read and cannot be put away", extra={"file": file.read.name, **_why(error)})
                self.files.failed["filing"] += 1
            file.retry_at = self._steady() + RETRY_SECONDS
            return
        if outcome == "changed":
            file.paused, file.retry_at = True, None
            return
        if outcome == "gone" and self._find_renamed(file):
            return self._put_away(file)
        self._count(file)
        del self._held[file.key]
        self.files.waiting = max(self.files.waiting - (file.retry_at is None), 0)

    def _find_renamed(self, file: Progress) -> bool:
        """Whether the file is still in the folder, under another name."""
        for name, identity in (self._files() or {}).items():
            if identity == file.arrival.identity and name != file.arrival.name:
                file.arrival = Arrival(name, identity)
                return True
        return False

    def _count(self, file: Progress) -> None:
        """Count a file once, whatever becomes of it."""
        if file.counted:
            return
        file.counted = True
        self.files.read += 1
        if file.read.failure:
            self.files.failed[file.read.failure] += 1
            log.warning("a drop file failed", extra={"file": file.read.name, "reason": file.read.failure})


def _why(error: OSError) -> dict[str, str]:
    return {"reason": error.strerror or str(error)}
