"""What waits for the exporter: on disk where a folder is given, else in memory; bounded, the oldest goes first.

Where the disk fails, memory takes its place until it is back.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from vedette_client import slots
from vedette_client.disk_log import DiskLog, Line, name_of
from vedette_client.lanes import LANES

SEGMENTS = 16


class Waiting:
    """The records of one lane. What was taken out and is not settled is in flight, and never dropped."""

    def __init__(self) -> None:
        self.log: DiskLog | None = None
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0
        self._flight: deque[Line] = deque()
        self._flight_on_disk = False
        #: how many were ever put in, and how many of them are gone again
        self.put_in = self.gone = 0

    @property
    def records(self) -> int:
        return self.records_in_memory + (self.log.records if self.log else 0)

    @property
    def records_in_memory(self) -> int:
        """Those that end with the process."""
        return len(self._memory) + (0 if self._flight_on_disk else len(self._flight))

    @property
    def size(self) -> int:
        in_flight = 0 if self._flight_on_disk else sum(len(line.text) for line in self._flight)
        return self._memory_bytes + (self.log.size if self.log else 0) + in_flight

    @property
    def in_flight(self) -> int:
        return len(self._flight)

    def put(self, texts: Sequence[bytes]) -> bool:
        """Keep records at the end; whether they are where they should be, and not in memory because the disk failed."""
        self.put_in += len(texts)
        if self.log is not None:
            with contextlib.suppress(OSError):
                self.log.append(texts)
                return True
        self._memory.extend(texts)
        self._memory_bytes += sum(map(len, texts))
        return self.log is None

    def flight(self, records: int, size: int) -> list[bytes]:
        """The first records: those in flight, or the next where there are none."""
        if not self._flight:
            self._load(records, size)
        return [line.text for line in self._flight]

    def _load(self, records: int, size: int) -> None:
        self._flight_on_disk = False
        if self.log is not None:
            before = self.log.records
            with contextlib.suppress(OSError):
                self._flight.extend(self.log.read(records, size))
                self._flight_on_disk = bool(self._flight)
            self.gone += before - self.log.records
        while self._memory and not self._flight_on_disk and len(self._flight) < records:
            size -= len(self._memory[0])
            if self._flight and size < 0:
                break
            self._flight.append(Line(self._memory.popleft(), 0))
            self._memory_bytes -= len(self._flight[-1].text)

    def settle(self, records: int) -> None:
        """So many of those in flight are done with."""
        self.gone += records
        end = 0
        for _ in range(records):
            end = self._flight.popleft().end
        if self._flight_on_disk and self.log is not None:
            with contextlib.suppress(OSError):  # sent again after a crash: the exporter knows those with an id
                self.log.settle(end, records)

    def drop_oldest(self) -> int:
        """Make room; how many records that cost."""
        dropped = self.log.drop_oldest(bool(self._flight) and self._flight_on_disk) if self.log else 0
        if not dropped and self._memory:
            self._memory_bytes -= len(self._memory.popleft())
            dropped = 1
        self.gone += dropped
        return dropped


class Buffer:
    """All lanes and their bound. `lock` is held by whoever looks at a lane; callers of the client never take it."""

    def __init__(self, bound_bytes: int, folder: Path | None = None) -> None:
        """folder: shared by the processes of one service that send to one exporter. Raises OSError where it fails."""
        self._bound, self._folder = bound_bytes, folder
        self.lock = threading.Lock()
        self.lanes = {name: Waiting() for name in LANES}
        self._slot = slots.claim(folder) if folder else None
        if self._slot:
            for name, lane in self.lanes.items():
                lane.log = DiskLog(self._slot.folder, name, max(bound_bytes // SEGMENTS, 1))
                lane.put_in = lane.log.records
            self.adopt()

    @property
    def records(self) -> int:
        return sum(lane.records for lane in self.lanes.values())

    @property
    def records_in_memory(self) -> int:
        """Those that end with the process."""
        return sum(lane.records_in_memory for lane in self.lanes.values())

    @property
    def size(self) -> int:
        return sum(lane.size for lane in self.lanes.values())

    def put(self, lines: Mapping[str, Sequence[bytes]]) -> bool:
        """Keep records by lane; whether they are where they should be."""
        kept = [self.lanes[name].put(texts) for name, texts in lines.items()]
        return all(kept)

    @property
    def damaged(self) -> int:
        """Records on disk that could not be read again."""
        return sum(lane.log.damaged for lane in self.lanes.values() if lane.log)

    def bound(self) -> int:
        """Drop the oldest of the largest lane until all fits; how many records that cost."""
        dropped = 0
        while self.size > self._bound:
            fewer = max(self.lanes.values(), key=lambda lane: lane.size).drop_oldest()
            if not fewer:
                break
            dropped += fewer
        return dropped

    def adopt(self) -> None:
        """Take over what ended processes left behind. Raises OSError."""
        if self._folder is None or self._slot is None:
            return
        for slot in slots.others(self._folder, self._slot):
            for path in sorted(slot.folder.glob("*.log")):
                lane = self.lanes.get(name_of(path))
                if lane is not None and lane.log is not None:
                    path.rename(lane.log.next_path())
        for lane in self.lanes.values():
            if lane.log is not None:
                before = lane.log.records
                lane.log.load()
                lane.put_in += lane.log.records - before

    def release(self) -> None:
        """Let go of the folder."""
        if self._slot:
            self._slot.release()
