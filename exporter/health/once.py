"""What was counted already: the ids of the last samples, bounded, so that a retry counts once."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

#: ids in a generation; the last one to two generations are known
GENERATION = 50_000


class Once:
    """The ids that senders gave to their samples."""

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        #: the newer one first
        self._generations: tuple[set[int], set[int]] = (set(), set())

    def is_first(self, sender: str, id: str) -> bool:
        """Whether a sender gives an id for the first time, as far as is known; from then on it does not."""
        named = f"{len(sender)}:{sender}{id}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(blake2b(named, digest_size=8).digest(), "big")
        if any(key in generation for generation in self._generations):
            return False
        self._generations[0].add(key)
        if len(self._generations[0]) >= self._generation:
            self._generations = (set(), self._generations[0])
        return True

    def dump(self) -> list[Any]:
        """All that is remembered, as plain values."""
        return [list(generation) for generation in self._generations]

    def load(self, state: Sequence[Any]) -> None:
        """Go on from a dump."""
        newer, older = state
        self._generations = set(newer), set(older)
