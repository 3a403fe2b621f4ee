"""How far one file of the drop directory is read, handed over and judged."""

from msgspec.structs import replace

from exporter.sources.drop.arrivals import Arrival
from exporter.sources.drop.filing import printable, tag_of
from exporter.sources.drop.positions import Position


class Progress:
    """A file that is being read, whose queries wait to be judged, or that could not be put away.

    read: up to where it is read. committed: up to where it is judged. paused: somebody writes to it; it is read on
    once it is complete again. retry_at: when to try again to put it away, once that failed.
    """

    def __init__(self, arrival: Arrival, position: Position | None = None) -> None:
        self.paused = self.unreported = self.counted = False
        self.retry_at: float | None = None
        self._begin(arrival, position or Position(printable(arrival.name), arrival.identity))

    def _begin(self, arrival: Arrival, position: Position) -> None:
        self.arrival, self.tag, self.head = arrival, tag_of(arrival.identity), b""
        self.read = self.committed = position
        self._delivered = position.offset  # behind the last query that was handed over
        self._before = (position, self._delivered)

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode: what stays the same while somebody writes to the file."""
        return self.arrival.identity[:2]

    @property
    def judged(self) -> bool:
        """Whether nothing that was handed over waits to be judged."""
        return self.committed.offset >= self._delivered

    @property
    def over(self) -> bool:
        """Whether all of it is read and judged."""
        return self.read.ended and self.judged

    def went_on(self, position: Position, handing_over: bool) -> None:
        """It is read up to here; queries on the way are handed over now."""
        self._before = (self.read, self._delivered)
        self.read = position
        if handing_over:
            self._delivered = position.offset
        elif self.judged:
            self.committed = position

    def take_back(self) -> None:
        """What was last read was not taken."""
        self.read, self._delivered = self._before

    def commit(self, position: Position) -> None:
        """It is judged up to here, and what was refused behind that needs no judging."""
        self.committed = position
        if self.judged:
            self.committed = self.read

    def resume(self, arrival: Arrival, head: bytes) -> None:
        """Go on with the file as it is now. Where its first bytes are others than before, it is a new file."""
        grown = arrival.identity.size >= self.read.identity.size and head.startswith(self.head)
        if not grown:
            self._begin(arrival, Position(printable(arrival.name), arrival.identity))
        elif self.read.identity != arrival.identity:
            self.read = replace(self.read, identity=arrival.identity, ended=False, broken=None)
            self.committed = self.read
        self.arrival, self.head, self.paused = arrival, head, False
