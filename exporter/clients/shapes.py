"""The distances between the queries of each client, of those clients that sent something last."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from detectors.distance_shape import Growing
from detectors.kept import Changed

#: clients whose distances are held: one takes 256 KiB at most
MOST_SHAPES = 128


class Shapes:
    """By client, the one that sent something last at the end. Clients are entries, and so are their points."""

    def __init__(self) -> None:
        self._growing: dict[str, Growing] = {}
        self.changed, self.points_changed = Changed(), Changed()

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return sum(growing.nbytes for growing in self._growing.values())

    def add(self, client: str, point: np.ndarray, label: int, turn: int) -> float:
        """Take a point in; W of the client's distances with it. turn: counted up over all clients."""
        growing = self._latest(client)
        growing.turn = turn
        before = growing.count(label)
        w = growing.add(point, label)
        self.changed.note(client)
        for place in range(before, growing.count(label)):
            self.points_changed.note((client, label, place))
        return w

    def _latest(self, client: str) -> Growing:
        """The distances of a client, which are now the last to be let go of."""
        growing = self._growing.pop(client, None) or Growing()
        if len(self._growing) >= MOST_SHAPES:
            self.drop(next(iter(self._growing)))
        self._growing[client] = growing
        return growing

    def drop(self, client: str) -> None:
        """Let go of a client's distances, if they are held."""
        growing = self._growing.pop(client, None)
        if growing is not None:
            self.changed.note(client)
            for place in growing.places():
                self.points_changed.note((client, *place))

    # -- what survives a restart

    def held(self) -> Iterable[str]:
        """The clients."""
        return self._growing.keys()

    def entry(self, client: str) -> Any:
        """What is kept of a client but its points, as plain values; None for one that is not held."""
        growing = self._growing.get(client)
        return None if growing is None else growing.dump()

    def points(self) -> Iterator[tuple[str, int, int]]:
        """The keys of all points: client, label and place."""
        for client, growing in self._growing.items():
            yield from ((client, *place) for place in growing.places())

    def point_entry(self, key: tuple[str, int, int]) -> Any:
        """A point as plain values; None for one of a client that is not held."""
        client, label, place = key
        growing = self._growing.get(client)
        return None if growing is None else growing.point(label, place)

    def load(self, clients: Mapping[str, Any], points: Mapping[tuple[str, int, int], Any]) -> None:
        """Go on from the entries of all clients, and of their points, in any order."""
        own: defaultdict[str, dict[tuple[int, int], Any]] = defaultdict(dict)
        for (client, label, place), point in points.items():
            own[client][label, place] = point
        shapes = {name: Growing.load(kept, own[name]) for name, kept in clients.items()}
        self._growing = dict(sorted(shapes.items(), key=lambda item: item[1].turn))
