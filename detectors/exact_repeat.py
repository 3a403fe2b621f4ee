"""Exact repeat: how often the content of a query came in the window, and from how many clients.

Contents are compared by their canonical keys (detectors/canonical.py). The evidence on a query is that its key was seen
before; its count says how often, itself included.

Blind to anything that changes the content: one pixel, one word.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar

from detectors import inputs
from detectors.canonical import CONTENT
from detectors.kept import Changed
from detectors.repetition import RepetitionDetector

#: clients that are told apart for one key; from there on it is "many"
MOST_CLIENTS = 32


class Seen:
    """What is known of one key: when it came last, as which query, how often, and from which clients."""

    __slots__ = ("clients", "count", "failed", "interval", "number", "steady", "time")

    def __init__(self, number: int, time: float) -> None:
        self.number, self.time, self.count = number, time, 0
        self.clients: set[str] = set()
        #: seconds between the last two, and how often it was the same (within 10 %) in a row
        self.interval, self.steady = 0.0, 0
        #: whether the last one got an error: who asks again then is no suspect
        self.failed = False


class Repeats:
    """Keys of the last `size` different contents, for `seconds` after they came last."""

    def __init__(self, size: int = 100_000, seconds: float = 86_400.0) -> None:
        self.size, self.seconds = size, seconds
        self._seen: OrderedDict[int, Seen] = OrderedDict()  # the one that came longest ago first
        #: keys whose entry changed since it was last written down
        self.changed = Changed()

    def __len__(self) -> int:
        return len(self._seen)

    def get(self, key: int) -> Seen | None:
        """What is known of a key, if it came in the window."""
        return self._seen.get(key)

    def add(self, key: int, number: int, time: float, client: str | None, failed: bool = False) -> Seen:
        """Take one query in; its key as it is known now: a count above 1 says that it is a repeat."""
        self.forget(time)
        seen = self._seen.pop(key, None) or Seen(number, time)
        if seen.count:
            interval = time - seen.time
            is_steady = abs(interval - seen.interval) <= 0.1 * seen.interval and interval > 0
            seen.steady = seen.steady + 1 if is_steady else 0
            seen.interval = interval
        seen.count, seen.number, seen.time = seen.count + 1, number, time
        seen.failed = failed
        if client is not None and len(seen.clients) < MOST_CLIENTS:
            seen.clients.add(client)
        self._seen[key] = seen
        self.changed.note(key)
        if len(self._seen) > self.size:
            self._drop_oldest()
        return seen

    def forget(self, now: float) -> None:
        """Let go of what came too long ago."""
        while self._seen:
            oldest = next(iter(self._seen.values()))
            if oldest.time > now - self.seconds:
                break
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.changed.note(self._seen.popitem(last=False)[0])

    def erase(self, client: str) -> None:
        """Forget that a client sent anything."""
        for key, seen in self._seen.items():
            if client in seen.clients:
                seen.clients.discard(client)
                self.changed.note(key)

    def held(self) -> Iterable[int]:
        """The keys that are held."""
        return self._seen

    def entry(self, key: int) -> list[Any] | None:
        """What is known of a key, as plain values; None for one that is not held."""
        seen = self._seen.get(key)
        if seen is None:
            return None
        known = [seen.number, seen.time, seen.count, seen.interval, seen.steady, seen.failed]
        return [*known, *sorted(seen.clients)]

    def load(self, entries: Mapping[int, Sequence[Any]]) -> None:
        """Go on from the entries of all keys, in any order."""
        self._seen.clear()
        for key, (number, time, count, interval, steady, failed, *clients) in sorted(entries.items(), key=_number):
            seen = self._seen[key] = Seen(number, time)
            seen.count, seen.interval, seen.steady = count, interval, steady
            seen.failed, seen.clients = failed, set(clients)
        self.changed.note_all()


def _number(item: tuple[int, Sequence[Any]]) -> int:
    number: int = item[1][0]
    return number


def _keys(kind: str) -> Callable[[Sequence[Any]], list[str]]:
    """The key function of one kind of input, as a repetition detector takes it."""
    return lambda values: [sha256(content).hexdigest() for content in inputs.each(CONTENT[kind], values)]


class ExactRepeatDetector(RepetitionDetector):
    """Flags queries whose content was sent too often; nothing that a model would notice counts as the same."""

    name = "exact_repeat"
    keys: ClassVar = {kind: _keys(kind) for kind in CONTENT}
