"""De-duplication: a sender's retry counts once.

A query is a duplicate when the same sender, model, client and id came with the same content within the last hour, or
among the last million queries with an id. The same id with other content is judged: else a fixed id would evade.
"""

import secrets
import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np

from detectors import Query

HOUR, MILLION, GENERATIONS = 3600.0, 1_000_000, 4


class Generation(dict[bytes, bytes]):
    """By key the content of the first query; for further contents of an id its key and the content, as one key.

    name: of this content, once it is over: nothing changes in it any more.
    """

    def __init__(self, entries: Mapping[bytes, bytes] | None = None, name: str | None = None) -> None:
        super().__init__(entries or {})
        self.name = name or secrets.token_hex(8)


class Duplicates:
    """What was taken lately: in generations of a quarter of an hour or a quarter of a million ids each.

    One generation more than an hour (or a million) needs is kept, so that an entry lives at least that long.
    """

    def __init__(self, seconds: float = HOUR, size: int = MILLION, secret: bytes | None = None) -> None:
        self._seconds, self._size = seconds / GENERATIONS, max(size // GENERATIONS, 1)
        self._secret = secret or secrets.token_bytes(32)  # the input is hostile: collisions must not be computable
        #: the newest first
        self._generations: deque[Generation] = deque([Generation()], maxlen=GENERATIONS + 1)
        self._begun = 0.0
        #: to be held from `sort_out` to `remember`, so that of two equal bodies at once one is the duplicate
        self.lock = threading.Lock()

    def sort_out(self, queries: Sequence[Query], sender: str) -> "Sorted":
        """Which of the queries are new, which repeat an id with other content, and how many are duplicates.

        Changes nothing: `remember` the result once the queries are taken.
        """
        fresh: list[Query] = []
        reused: list[Query] = []
        entries: dict[bytes, bytes] = {}
        for query in queries:
            if query.id is None:
                fresh.append(query)
                continue
            key, content = self._keys(query, sender)
            first = entries.get(key) or self._find(key)
            if first is None:
                entries[key] = content
            elif first == content or key + content in entries or self._find(key + content) is not None:
                continue
            else:
                entries[key], entries[key + content] = first, b""  # the id is known as long as its last content
                reused.append(query)
            fresh.append(query)
        return Sorted(fresh, reused, len(queries) - len(fresh), entries)

    def remember(self, entries: dict[bytes, bytes], now: float) -> None:
        """Keep the entries of a `sort_out`."""
        self._begun = min(self._begun, now)  # a clock that was set back ages nothing, and is no reason to age later
        if now - self._begun >= self._seconds or len(self._generations[0]) >= self._size:
            self._generations.appendleft(Generation())
            self._begun = now
        self._generations[0].update(entries)

    def forget(self, entries: Mapping[bytes, bytes]) -> None:
        """Undo a `remember`: what was taken could not be kept."""
        for at, generation in enumerate(self._generations):
            found = [key for key in entries if key in generation]
            if found and at > 0:  # one that is over never changes: it may be being written
                self._generations[at] = generation = Generation(generation)
            for key in found:
                del generation[key]

    def copy(self, without: Collection[Mapping[bytes, bytes]], known: Collection[str]) -> dict[str, Any]:
        """All that is remembered, without these entries; with `lock` held.

        known: names of generations whose content the caller has. generations: (name, entries), newest first; no name
        where a generation goes on or lacks what was left out, no entries where they are known. Entries with a name are
        no copy: they never change.
        """
        return {
            "secret": self._secret,
            "begun": self._begun,
            "generations": [self._copy(generation, without, known) for generation in self._generations],
        }

    def _copy(
        self, generation: Generation, without: Collection[Mapping[bytes, bytes]], known: Collection[str]
    ) -> tuple[str | None, dict[bytes, bytes]]:
        if generation.name in known:
            return generation.name, {}
        is_over = generation is not self._generations[0] and len(generation) > 0
        if is_over and not any(key in generation for left_out in without for key in left_out):
            return generation.name, generation
        entries = dict(generation)
        for left_out in without:
            for key in left_out:
                entries.pop(key, None)
        return None, entries

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `copy` that has all entries."""
        self._secret, self._begun = state["secret"], state["begun"]
        generations = [Generation(entries, name) for name, entries in state["generations"]]
        self._generations = deque(generations or [Generation()], maxlen=GENERATIONS + 1)

    def key(self, query: Query, sender: str) -> bytes:
        """One key for sender, model, client, id and content."""
        return b"".join(self._keys(query, sender))

    def _find(self, key: bytes) -> bytes | None:
        for generation in self._generations:
            if key in generation:
                return generation[key]
        return None

    def _keys(self, query: Query, sender: str) -> tuple[bytes, bytes]:
        name = _encoder.encode((sender, query.model, query.client, query.id))
        try:
            content = _encoder.encode((query.input_data, query.model_output))
        except (OverflowError, RecursionError):  # whole numbers or nesting beyond msgpack: equal to nothing
            content = secrets.token_bytes(12)
        return sha256(self._secret + name).digest()[:12], sha256(self._secret + content).digest()[:12]


class Sorted(msgspec.Struct):
    """fresh: to be judged. reused: those of them whose id came before with other content. entries: to remember."""

    fresh: list[Query]
    reused: list[Query]
    duplicates: int
    entries: dict[bytes, bytes]


def _array(value: np.ndarray) -> Any:
    return [value.shape, value.dtype.str, value.tobytes()]


_encoder = msgspec.msgpack.Encoder(enc_hook=_array)
