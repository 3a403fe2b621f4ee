"""What is known of one model and its clients: held within bounds, written down, and read back after a restart."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from detectors.cluster import Clusters
from detectors.exact_repeat import Repeats
from detectors.fingerprint import Index
from detectors.kept import Changed, RowReader, Rows, check_same, in_words
from detectors.nearest_distance import History
from exporter.clients.account import Account, ratios
from exporter.clients.bits import BITS, PLACE, PROFILES
from exporter.clients.board import Board
from exporter.clients.counts import Counts
from exporter.clients.entries import Collection, Entries, Values
from exporter.clients.first import Waiting
from exporter.clients.peers import Peers
from exporter.clients.shapes import Shapes
from exporter.clients.warm_up import Natural
from exporter.config import Clients

#: of the state that is kept
FORMAT = "suspicion 2"
#: memory of one model's windows at most
MODEL_BYTES = 200_000_000
#: clients of a model that are held; how many of the least suspicious are let go together
MOST_CLIENTS, LEAVING = 20_000, 2_000


class Memory:
    """What is known of one model. Whoever judges changes its parts; whoever changes an account fetches it by `account`.

    secret: of what is learned. counts: go on where the memory is a new one.
    """

    def __init__(self, settings: Clients, secret: int, max_bytes: int, counts: Counts) -> None:
        self.counts = counts
        self.profile = PROFILES[settings.profile]
        self._profile_name, self._secret, self._max_bytes = settings.profile, secret, max_bytes
        #: None until it is known
        self.natural: Natural | None = None
        #: queries of the warm-up
        self.waiting = Waiting()
        #: the time of the last query, and the number of the next one
        self.now, self.number = -np.inf, 0
        #: how often a client was active
        self._turn = 0
        #: by client, the one that was last active at the end
        self.accounts: dict[str, Account] = {}
        self.shapes = Shapes()
        self.board = Board(settings.alarm_hold)
        self.peers = Peers({})
        #: all classes that answers had
        self.classes: set[int] = set()
        #: by content key: client, interval in seconds, and id of a query that may belong on the allow-list
        self.suggestions: dict[int, tuple[str, float, str]] = {}
        self.repeats = Repeats()
        self.clusters = Clusters(self.profile.cluster_variants)
        self.history: History | None = None
        self.index: Index | None = None
        self._natural_changed, self._accounts_changed = Changed(), Changed()
        self._entries = Entries(self._collections())

    def _collections(self) -> dict[str, Collection]:
        shapes = self.shapes
        return {
            "natural": Collection(lambda: [0], self._natural_entry, self._natural_changed),
            "first": Collection(self.waiting.held, self.waiting.entry, self.waiting.changed),
            "accounts": Collection(self.accounts.keys, self._account_entry, self._accounts_changed),
            "growing": Collection(shapes.held, shapes.entry, shapes.changed),
            "points": Collection(shapes.points, shapes.point_entry, shapes.points_changed),
            "repeats": Collection(self.repeats.held, self.repeats.entry, self.repeats.changed),
            "clusters": Collection(self.clusters.held, self.clusters.entry, self.clusters.changed),
            "held": Collection(self.board.held, self.board.entry, self.board.changed),
        }

    # -- what is held

    def learn(self, natural: Natural) -> None:
        """Take what is natural, and make the windows for it."""
        self.natural = natural
        self._natural_changed.note(0)
        self.peers = Peers(natural.shares)
        if self.profile.cluster_variants is not None:
            # where natural queries are near to each other, more of them come together by accident
            scale = natural.shares.get("near_distance", 0.0) / BITS[PLACE["near_distance"]].p0
            self.clusters.variants = self.profile.cluster_variants * min(max(scale, 1.0), 2.0)
        if natural.points is not None:
            dimensions = natural.points.dimensions
            self.history = History(dimensions, _window_size(self._max_bytes, dimensions))
            assert natural.fingerprints is not None
            self.index = Index(_slots(self._max_bytes), natural.fingerprints.width)

    def account(self, client: str, now: float) -> Account:
        """The account of a client that is active now; a new one where there is none. It may be changed."""
        account = self.accounts.pop(client, None) or Account(now)
        self.accounts[client] = account
        account.turn = self._next_turn()
        self._accounts_changed.note(client)
        if not account.queries and len(self.accounts) > MOST_CLIENTS:
            self._let_go(now, client)
        return account

    def take_off(self, places: list[int], now: float) -> Iterator[tuple[str, Account]]:
        """Take the evidence of these bits off all clients; those that had any, one after the other."""
        for client, account in list(self.accounts.items()):
            if any(account.sums[place] for place in places):
                self._accounts_changed.note(client)
                account.age(now)
                for place in places:
                    account.sums[place] = 0.0
                yield client, account

    def shape(self, client: str, point: np.ndarray, label: int) -> float:
        """W of a client's distances with this point, which is held from now on."""
        return self.shapes.add(client, point, label, self._next_turn())

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn

    # -- bounds, and what people have forgotten

    @property
    def nbytes(self) -> int:
        """Memory of the windows, about, in bytes."""
        reach = self.natural.reach if self.natural is not None else None
        arrays = sum(part.nbytes for part in (self.history, self.index, reach) if part is not None)
        held = 400 * len(self.repeats) + 1_500 * len(self.accounts) + 400 * len(self.clusters)
        return arrays + self.shapes.nbytes + held

    def forget(self) -> None:
        """Let go of what is too old now, and note that all queries so far have come."""
        if self.history is not None:
            self.history.forget(self.now)
        self.clusters.advance(self.number)

    def _let_go(self, now: float, newest: str) -> None:
        """Let go of clients: the least suspicious, and of these the ones that were silent longest."""

        def worth(item: tuple[str, Account]) -> tuple[float, float]:
            return max(item[1].sums_at(now)), item[1].last

        for client, _ in sorted(self.accounts.items(), key=worth)[:LEAVING]:
            if client != newest:
                del self.accounts[client]
                self._accounts_changed.note(client)
                self.shapes.drop(client)
                self.board.forget(client)

    def erase(self, client: str) -> bool:
        """Forget a client; whether there was anything to forget."""
        self.shapes.drop(client)
        self.clusters.erase(client)
        self._entries.begin_anew()  # so that nothing of it stays on the disk
        self.repeats.erase(client)
        self.suggestions = {key: found for key, found in self.suggestions.items() if found[0] != client}
        self.board.forget(client)
        self._accounts_changed.note(client)
        return self.accounts.pop(client, None) is not None

    def dismiss(self, client: str) -> tuple[str, ...]:
        """Take all evidence off a client that was no attacker; the families that were in alarm."""
        account = self.accounts.get(client)
        if account is None:
            return ()
        families, account.in_alarm = account.in_alarm, ()
        account.sums = [0.0] * len(BITS)
        self._accounts_changed.note(client)
        self.shapes.drop(client)
        self.board.forget(client)
        self.board.suspect(client, ratios(account.sums), account.last)
        self.counts.dismissed.update(families)
        return families

    # -- what goes on after a restart

    def dump(self) -> dict[str, Any]:
        """What later verdicts depend on, but rows and entries, as plain values; small, and no secret."""
        return {
            "format": FORMAT,
            "profile": self._profile_name,
            "now": float(self.now),
            "number": self.number,
            "peers": self.peers.dump(),
            "turn": self._turn,
            "entries": self._entries.dump(),
            "clusters": self.clusters.dump(),
            "history": None if self.history is None else self.history.dump(),
            "index": None if self.index is None else self.index.dump(),
            "classes": sorted(self.classes),
            "alarms": dict(self.counts.alarms),
            "dismissed": dict(self.counts.dismissed),
            "board": self.board.dump(),
            "without_client": self.counts.without_client,
            "suggestions": [[key, *found] for key, found in self.suggestions.items()],
        }

    def load(self, state: Mapping[str, Any], read_rows: RowReader | None) -> None:
        """Fill this memory, in which there is nothing, with what was kept.

        A state of another profile brings what is natural, and nothing else. Raises ValueError in words when the state
        does not fit; then the memory is of no use.
        """
        check_same(state, format=FORMAT)
        with in_words():
            entries = self._entries.load(state["entries"], read_rows)
            if entries["natural"]:
                self.learn(Natural.load(entries["natural"][0], self._secret))
            if state["profile"] != self._profile_name:
                self._entries.begin_anew()
                return
            self._load_windows(state, entries, read_rows)
            self._load_clients(state, entries)
            self._entries.is_written()

    def _load_windows(
        self, state: Mapping[str, Any], entries: Mapping[str, Values], read_rows: RowReader | None
    ) -> None:
        self.waiting.load(entries["first"])
        self.now, self.number, self._turn = float(state["now"]), int(state["number"]), int(state["turn"])
        self.repeats.load(entries["repeats"])
        self.clusters.load(state["clusters"], entries["clusters"], read_rows)
        if state["history"] is not None and self.history is not None and self.index is not None:
            self.history.load(state["history"], read_rows)
            self.index.load(state["index"], read_rows)

    def _load_clients(self, state: Mapping[str, Any], entries: Mapping[str, Values]) -> None:
        self.peers = Peers.load(state["peers"])
        accounts = {name: Account.load(kept) for name, kept in entries["accounts"].items()}
        self.accounts.update(sorted(accounts.items(), key=lambda item: item[1].turn))
        self.shapes.load(entries["growing"], entries["points"])
        self.classes = set(state["classes"])
        self.suggestions = {key: (client, interval, id_) for key, client, interval, id_ in state["suggestions"]}
        self.board.load(state["board"], entries["held"])
        for name, account in self.accounts.items():
            self.board.suspect(name, ratios(account.sums), account.last)
        self.counts.load(state)

    def tidy(self) -> None:
        """Write all entries down anew where too many are outdated, or some must go: before a snapshot is taken."""
        self._entries.tidy()

    def write_down(self, most: int) -> bool:
        """Write down at most so many entries that changed; whether there may be more."""
        return self._entries.write_down(most)

    def _natural_entry(self, key: int) -> Any:
        return None if self.natural is None else self.natural.dump()

    def _account_entry(self, client: str) -> Any:
        account = self.accounts.get(client)
        return None if account is None else account.dump()

    def _parts(self) -> Iterator[Any]:
        """What has rows."""
        yield from (part for part in (self.history, self.index, self.clusters, self._entries) if part is not None)

    def row_spaces(self) -> dict[str, Rows]:
        """All rows, by the ids of their spaces: the history, its fingerprints, members of clusters, and entries."""
        return {space: rows for part in self._parts() for space, rows in part.row_spaces().items()}

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """A copy of at most about `limit` rows of the space from this number, or from the oldest held on."""
        for part in self._parts():
            if space in part.row_spaces():
                found: tuple[int, np.ndarray] = part.rows_since(space, number, limit)
                return found
        raise KeyError(space)


def _window_size(max_bytes: int, dimensions: int) -> int:
    """Queries of which the points fit into half of the memory."""
    return max(1_000, min(100_000, max_bytes // 2 // (5 * (2 * dimensions + 160) // 4)))


def _slots(max_bytes: int) -> int:
    """Slots of the index in a quarter of the memory: a power of two."""
    return max(1 << 14, 1 << int(np.log2(max(max_bytes // 4 // 12, 1))))
