"""Which files of the drop directory are queries, and which of them are complete.

A file is complete once it was renamed or moved in, once its writer closed it, or once its size and time of change stay
the same for the settling time. A picture and the `.json` beside it are one: each waits for the other that long.
"""

import os
import re
import stat
import threading
from typing import NamedTuple

from exporter.sources.drop.positions import Identity

_KINDS = re.compile(
    r"(?P<stem>.+)\.((?P<kind>json|ndjson|jsonl|csv)(?P<gz>\.gz)?|png|jpe?g)", re.IGNORECASE | re.DOTALL
)
#: how many settling times a file waits that was created before our eyes and that nobody has closed
PATIENCE = 30


class Kind(NamedTuple):
    """What a name says about a file: `format` is json, lines, table or picture."""

    stem: str
    format: str
    compressed: bool


class Arrival(NamedTuple):
    """A complete file; for a picture, with the file beside it."""

    name: str
    identity: Identity
    beside: str | None = None


class Notices(NamedTuple):
    """Names of files that writers have closed since the last time, and of those that are open."""

    closed: frozenset[str]
    open: frozenset[str]


class _Sight(NamedTuple):
    identity: Identity
    since: float  # this identity
    first: float  # this name
    complete: bool


_FORMATS = {"json": "json", "ndjson": "lines", "jsonl": "lines", "csv": "table", None: "picture"}


def kind_of(name: str) -> Kind | None:
    """The kind of a file by its name; None for hidden files, `.part` and `.tmp` files, and all that is not for us."""
    match = _KINDS.fullmatch(name)
    if match is None or name.startswith("."):
        return None
    kind = match["kind"] and match["kind"].lower()
    return Kind(match["stem"], _FORMATS[kind], match["gz"] is not None)


def listing(folder: int) -> dict[str, Identity]:
    """The regular files that could be for us, by name. Links, pipes, devices, folders and empty files are left out.

    folder: an open directory. Empty files wait: a writer that has not written yet would lose what it writes later.
    """
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if kind_of(entry.name):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode) and status.st_size:
                    found[entry.name] = Identity.of(status)
    return found


class Arrivals:
    """What was seen of the files so far. `closed` and `created` may be called from any thread."""

    def __init__(self, settle_seconds: float) -> None:
        self._settle = settle_seconds
        self._sights: dict[str, _Sight] = {}
        self._lock = threading.Lock()
        self._closed: set[str] = set()
        self._open: set[str] = set()

    def created(self, name: str) -> None:
        """A writer has created this file and not closed it yet."""
        with self._lock:
            self._open.add(name)

    def closed(self, name: str) -> None:
        """A writer has closed this file, or it was moved in whole."""
        with self._lock:
            self._open.discard(name)
            self._closed.add(name)

    def notices(self) -> Notices:
        """What was told since the last time.

        To be taken before the folder is listed: a notice of what happened after that would be held against a list that
        does not show it, and be lost.
        """
        with self._lock:
            closed, self._closed = self._closed, set()
            return Notices(frozenset(closed), frozenset(self._open))

    def look(self, files: dict[str, Identity], now: float, notices: Notices | None = None) -> list[Arrival]:
        """The complete ones of the files that are there now, oldest first; `now` runs on a steady clock."""
        self._see(files, now, notices or self.notices())
        beside = _beside(files)
        taken_along = set(beside.values())
        complete = [
            Arrival(name, files[name], beside.get(name))
            for name in files
            if name not in taken_along and self._is_complete(name, beside.get(name), now)
        ]
        return sorted(complete, key=lambda arrival: (arrival.identity.mtime_ns, arrival.name))

    def _see(self, files: dict[str, Identity], now: float, notices: Notices) -> None:
        with self._lock:
            self._open -= notices.open - files.keys()
        seen, self._sights = self._sights, {}
        for name, identity in files.items():
            sight = seen.get(name) or _Sight(identity, now, now, False)
            if sight.identity != identity:
                sight = _Sight(identity, now, sight.first, False)
            self._sights[name] = sight._replace(complete=sight.complete or name in notices.closed)

    def _is_complete(self, name: str, beside: str | None, now: float) -> bool:
        if not self._is_whole(name, now):
            return False
        if beside is not None:
            return self._is_whole(beside, now)
        kind = kind_of(name)
        assert kind is not None  # listing leaves the others out
        if kind.format == "picture" or (kind.format == "json" and not kind.compressed):
            return now - self._sights[name].first >= self._settle  # its other half may still come
        return True

    def _is_whole(self, name: str, now: float) -> bool:
        sight = self._sights[name]
        patience = PATIENCE if name in self._open else 1
        return sight.complete or now - sight.since >= self._settle * patience


def _beside(files: dict[str, Identity]) -> dict[str, str]:
    """The `.json` files that belong to a picture, by the name of the picture: of two with one stem, the first one's."""
    stems: dict[str, str] = {}
    for name in sorted(files):
        kind = kind_of(name)
        if kind and kind.format == "picture":
            stems.setdefault(kind.stem, name)
    return {name: f"{stem}.json" for stem, name in stems.items() if f"{stem}.json" in files}
