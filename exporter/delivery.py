"""What a source hands to the pipeline: queries, when they came, and where in the source they stood."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from detectors import Query

#: the source of synthetic queries
CANARY = "canary"


class Outcome(msgspec.Struct, gc=False):
    """What one detector said about one query, as it stands in an answer: the result when it is ok, else a reason."""

    detector: str
    status: Literal["ok", "skipped", "error"]
    is_suspicious: bool | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    reason: str = ""
    metadata: dict[str, Any] | UnsetType = UNSET


class Delivery(msgspec.Struct, gc=False, eq=False):
    """Queries that a source hands over together.

    source: the name of the source, as it stands in the `source` label.
    received: seconds since 1970 on our clock, when they were taken in; windows run on it unless `own_time` is set.
    own_time: the queries carry the times of the events themselves (drop files, replay).
    position: where the source stands after these queries, in its stream `stream` (a file, a partition).
    sender: who pushed them, for de-duplication.
    reused: those of the queries whose id came before with other content.
    size: bytes that they hold in the queue, about.
    explain: the caller wants every detector's words for every query.
    done: called on the judging thread once all are judged, with the outcomes per query if `explain` is set.
    entries: what de-duplication remembers of them.
    number: of its record in the journal, 0 where it has none. written: it may be judged.
    samples: what sources such as `inference` hand over instead of queries; they are counted, not judged.
    """

    source: str
    queries: Sequence[Query]
    received: float
    own_time: bool = False
    position: Any = None
    stream: str = ""
    sender: str = ""
    reused: Sequence[Query] = ()
    size: int = 0
    explain: bool = False
    done: Callable[[Sequence[Sequence[Outcome]]], None] | None = None
    entries: Mapping[bytes, bytes] = {}
    number: int = 0
    written: bool = True
    samples: Sequence[Any] = ()

    @property
    def records(self) -> int:
        """Queries and samples in it."""
        return len(self.queries) + len(self.samples)


class Rejection(msgspec.Struct, gc=False):
    """A record that was not taken: its 0-based position, one word of a closed set, and a sentence for people."""

    index: int
    code: str
    reason: str
