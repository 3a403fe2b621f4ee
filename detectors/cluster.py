"""Cluster: near variants of one query, joined to their nearest earlier one, whoever sent them.

A search for an adversarial example, a prompt suffix or a boundary sends many variants of a few queries. Each variant
belongs to the cluster of the query that it is nearest to; so a chain that wanders off stays one cluster, and accounts
that share the work share a cluster.

What a variant counts follows from how it came. One of a query that was not the client's last fans out from it, as the
candidates of a search do, and counts 1, or 2 if it is very near, or a half if it is not quite near. One of the client's
last query is a link of a chain, as frames of a video and words that are typed are, and counts an eighth. An exact
repeat counts half, and all of them together at most as much as the variants.

A cluster is in alarm at 8 (3 of its queries must be variants, not repeats), or at 4 without repeats if the predicted
label went to and fro between them twice: who crosses a decision boundary again and again is looking for it.

Blind to variants that are not near; to a search spread over more time or other queries than the window holds.
"""

from collections.abc import Iterable, Iterator, Mapping
from secrets import token_hex
from typing import Any

import msgspec
import numpy as np

from detectors.kept import Changed, RowReader, Rows
from detectors.nearest_distance import NEAR, NONE

#: weight from which a cluster is in alarm; how many of its queries must be near; what a repeat counts
VARIANTS, LEAST_NEAR, REPEAT_WEIGHT = 8, 3, 0.5
#: what a link of a chain counts: a variant of one of the client's last queries, as frames of a video are
CHAIN_WEIGHT = 0.125
#: what a variant counts that is nearer than half of near, and no link of a chain
CLOSE_WEIGHT = 2.0
#: what one counts that is related but not near, and no link of a chain; it must be nearer than FAR
FAR_WEIGHT, FAR = 0.5, 0.5
#: weight without repeats, and changes of the predicted label to and fro, from which it is in alarm as well
FEW, CHANGES = 4, 2
#: clusters that are held at most, accounts and labels of each, and seconds for which one is held after its last query
MOST_CLUSTERS, MOST_ACCOUNTS, MOST_LABELS, SECONDS = 20_000, 1_000, 16, 86_400.0

#: queries after which it is forgotten to which cluster one belongs
MEMBERS = 150_000
#: rows that are read together when clusters are loaded
READ = 1 << 16


class Cluster(msgspec.Struct):
    """One cluster. accounts: how many of its queries came from each client; without_client: from nobody known."""

    id: int
    began: float
    last: float
    near: int = 0
    fan: float = 0.0
    far: float = 0.0
    repeats: int = 0
    changes: int = 0
    label: int = -1
    labels: list[int] = msgspec.field(default_factory=list)
    accounts: dict[str, int] = msgspec.field(default_factory=dict)
    since: dict[str, int] = msgspec.field(default_factory=dict)
    without_client: int = 0
    #: when it came into alarm, and by what
    alarmed: float | None = None
    reason: str = ""
    example: str | None = None
    #: the number of the query that joined last
    newest: int = 0

    @property
    def weight(self) -> float:
        """Variants, links of a chain and exact repeats counted less; repeats never count more than variants."""
        return self.fan + min(REPEAT_WEIGHT * self.repeats, self.fan)


def variant_weight(distance: float, is_link: bool, is_matched: bool) -> float:
    """What a variant at this distance counts."""
    if is_link:
        return CHAIN_WEIGHT
    if distance >= NEAR and not is_matched:
        return FAR_WEIGHT
    return CLOSE_WEIGHT if distance < NEAR / 2 else 1.0


def reason_for_alarm(cluster: Cluster, variants: float | None) -> str:
    """ "variants" or "label_changes" when the cluster is in alarm, else "". variants: None if they do not count."""
    if cluster.fan - cluster.far >= FEW and cluster.changes >= CHANGES:
        return "label_changes"
    if variants is not None and cluster.near >= LEAST_NEAR and cluster.weight >= variants:
        return "variants"
    return ""


class Clusters:
    """The clusters of a model, by the number of the query that began each; the one that was silent longest first."""

    def __init__(self, variants: float | None = VARIANTS) -> None:
        self.variants = variants
        #: names its rows outside, and no others
        self._id = token_hex(8)
        self._clusters: dict[int, Cluster] = {}
        #: of these, the ones in alarm, in the same order
        self._in_alarm: dict[int, Cluster] = {}
        #: clusters that changed since they were last written down
        self.changed = Changed()
        #: of the last queries, by number in a ring: the number and one, and the cluster, where the query joined one
        self._joined = np.zeros(MEMBERS + 1, dtype=np.int64)
        self._roots = np.zeros(MEMBERS + 1, dtype=np.int64)
        #: the number after that of the last query, of whatever kind
        self._last = 0

    def __len__(self) -> int:
        return len(self._clusters)

    def all(self) -> list[Cluster]:
        """All clusters."""
        return list(self._clusters.values())

    def in_alarm(self) -> Iterator[Cluster]:
        """The clusters in alarm, the latest first."""
        return reversed(self._in_alarm.values())

    def _root(self, number: int) -> int:
        """The cluster that a query joined; of all others it is the query itself."""
        slot = number % len(self._joined)
        return int(self._roots[slot]) if self._joined[slot] == number + 1 else number

    def join(
        self,
        number: int,
        earlier: int,
        time: float,
        client: str | None,
        label: int,
        is_repeat: bool = False,
        is_link: bool = False,
        distance: float = 0.0,
        is_matched: bool = False,
        sent: int = 0,
    ) -> Cluster:
        """Take a query into the cluster of the earlier one, which begins one if it is in none.

        label: the predicted class, -1 if it is not known. is_repeat: the content is the earlier one's. is_link: the
        earlier one is the client's last. distance: to it, as a share of the median between neighbours. is_matched:
        its fingerprint is the earlier one's. sent: queries that the client sent before.
        """
        root = self._root(earlier) if number - earlier <= MEMBERS else earlier
        cluster = self._clusters.pop(root, None) or Cluster(
            id=root, began=time, last=time, accounts={}, since={}, labels=[]
        )
        self._clusters[root] = cluster
        if self._in_alarm.pop(root, None) is not None:
            self._in_alarm[root] = cluster
        slot = number % len(self._joined)
        self._joined[slot], self._roots[slot], self._last = number + 1, root, number + 1
        cluster.newest = number
        self.changed.note(root)
        if is_repeat:
            cluster.repeats += 1
        else:
            cluster.near += 1
            weight = variant_weight(distance, is_link, is_matched)
            cluster.fan += weight
            cluster.far += weight if distance >= NEAR else 0.0
        if is_link or distance >= NEAR:
            label = -1  # what a stream is answered changes on its own
        if client is not None and len(cluster.since) < MOST_ACCOUNTS:
            cluster.since.setdefault(client, sent)
        self._count(cluster, time, client, label)
        self._bound(time)
        return cluster

    def _count(self, cluster: Cluster, time: float, client: str | None, label: int) -> None:
        cluster.last = time
        if label >= 0:
            # to and fro: a change to what was answered before in this cluster; a text that is typed changes on and on
            cluster.changes += label != cluster.label and label in cluster.labels
            cluster.label = label
            if label not in cluster.labels and len(cluster.labels) < MOST_LABELS:
                cluster.labels.append(label)
        if client is None:
            cluster.without_client += 1
        elif client in cluster.accounts or len(cluster.accounts) < MOST_ACCOUNTS:
            cluster.accounts[client] = cluster.accounts.get(client, 0) + 1

    def new_alarm(self, cluster: Cluster) -> bool:
        """Whether the cluster comes into alarm now."""
        if cluster.alarmed is not None:
            return False
        cluster.reason = reason_for_alarm(cluster, self.variants)
        if not cluster.reason:
            return False
        cluster.alarmed = cluster.last
        self._in_alarm[cluster.id] = cluster
        self.changed.note(cluster.id)
        return True

    def _bound(self, now: float) -> None:
        oldest = next(iter(self._clusters.values()))
        if oldest.last <= now - SECONDS or len(self._clusters) > MOST_CLUSTERS:
            del self._clusters[oldest.id]
            self._in_alarm.pop(oldest.id, None)
            self.changed.note(oldest.id)

    def erase(self, client: str) -> None:
        """Forget that a client sent anything."""
        for cluster in self._clusters.values():
            known = cluster.accounts.pop(client, None), cluster.since.pop(client, None)
            if known != (None, None):
                self.changed.note(cluster.id)

    def advance(self, number: int) -> None:
        """All queries before this number have come."""
        self._last = max(self._last, number)

    # -- what survives a restart

    def row_spaces(self) -> dict[str, Rows]:
        """Whose cluster is remembered, by the id of their space: row n is the cluster of query n, or NONE."""
        return {self._id: Rows(max(self._last - MEMBERS - 1, 0), self._last, 1, "<i8")}

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """At most `limit` rows from this number or the oldest remembered on: int64 (n, 1)."""
        rows = self.row_spaces()[space]
        start = max(number, rows.first)
        numbers = np.arange(start, max(min(start + limit, rows.last), start))
        slots = numbers % len(self._joined)
        return start, np.where(self._joined[slots] == numbers + 1, self._roots[slots], NONE)[:, None]

    def held(self) -> Iterable[int]:
        """The clusters that are held."""
        return self._clusters

    def entry(self, key: int) -> dict[str, Any] | None:
        """A cluster as plain values; None for one that is not held."""
        cluster = self._clusters.get(key)
        return None if cluster is None else msgspec.to_builtins(cluster)

    def dump(self) -> dict[str, Any]:
        """Everything but clusters and rows, as plain values."""
        return {"id": self._id, "last": self._last}

    def load(self, state: Mapping[str, Any], entries: Mapping[int, Any], read_rows: RowReader | None) -> None:
        """Fill these clusters, of which there are none, with what was kept. Raises ValueError when it is nothing such.

        entries: of all clusters, in any order.
        """
        clusters = msgspec.convert(list(entries.values()), list[Cluster])
        self._clusters = {cluster.id: cluster for cluster in sorted(clusters, key=lambda one: one.newest)}
        self._in_alarm = {key: cluster for key, cluster in self._clusters.items() if cluster.alarmed is not None}
        self.changed.note_all()
        self._id, self._last = state["id"], int(state["last"])
        rows = self.row_spaces()[self._id]
        for start in range(rows.first, rows.last, READ):
            stop = min(start + READ, rows.last)
            if read_rows is None:
                raise ValueError(f"the state is of {rows.last} rows, and there is nothing to read them from")
            numbers, roots = np.arange(start, stop), read_rows(self._id, start, stop)[:, 0]
            joined = roots != NONE
            slots = numbers[joined] % len(self._joined)
            self._joined[slots], self._roots[slots] = numbers[joined] + 1, roots[joined]
