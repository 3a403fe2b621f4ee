"""What others read of the clients of one model: people, alerts and scrapes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from detectors.volume import coverage, shares_below
from exporter.clients import warm_up
from exporter.clients.account import level_of, ratios
from exporter.clients.bits import ALARM, BITS, PLACE, Bit
from exporter.clients.memory import Memory
from exporter.clients.views import ACCOUNTS, BitView, ClientView, ClusterView, Suggestion, cluster_view
from exporter.clients.weights import rate


class Reader:
    """Reads from the memory of a model, and changes nothing. Times are those of its queries, in seconds since 1970."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    # -- warm-up

    @property
    def is_warm(self) -> bool:
        """Whether it is known what is natural."""
        return self._memory.natural is not None

    def warm_up_ratio(self) -> float:
        """How much of the warm-up is done, 0 to 1: of the queries after which it looks next whether they are enough."""
        waiting = len(self._memory.waiting)
        return 1.0 if self.is_warm else waiting / (waiting // warm_up.LEAST * warm_up.LEAST + warm_up.LEAST)

    def bits(self) -> list[BitView]:
        """All evidence bits, with their rates and what is off here."""
        return [self._bit(bit) for bit in BITS]

    def _bit(self, bit: Bit) -> BitView:
        natural, peers = self._memory.natural, self._memory.peers
        return BitView(
            name=bit.name,
            family=bit.family,
            in_profile=bit.name in self._memory.profile.bits,
            p0=rate(bit, natural, peers) if natural else bit.p0,
            p1=bit.p1,
            off=natural.off.get(bit.name) or peers.off.get(bit.name, "") if natural else "",
        )

    def suggestions(self) -> list[Suggestion]:
        """Queries that may belong on the allow-list."""
        return [Suggestion(client, interval, id_) for client, interval, id_ in self._memory.suggestions.values()]

    def window_queries(self) -> int:
        """Queries that a new one is compared with."""
        history, repeats = self._memory.history, self._memory.repeats
        return len(repeats) if history is None else len(history)

    # -- clients

    def names(self) -> Collection[str]:
        """The clients that are held."""
        return self._memory.accounts.keys()

    def level(self, client: str, now: float) -> str:
        """The level of a client at this time; ok for one that is not known."""
        account = self._memory.accounts.get(client)
        return "ok" if account is None else level_of(ratios(account.sums_at(now)))

    def levels(self, now: float, within: float = 3600.0) -> dict[str, int]:
        """Clients that sent something within so many seconds, by level; every level is there."""
        return self._memory.board.levels(now, within)

    def clients(self, now: float) -> list[ClientView]:
        """All clients that are held, the most suspicious first."""
        return self.views([name for _, name in self._memory.board.ranked(now, "ok")], now)

    def client(self, name: str, now: float) -> ClientView | None:
        """One client, if it is held."""
        found = self.views([name], now)
        return found[0] if found else None

    def views(self, names: Sequence[str], now: float) -> list[ClientView]:
        """These clients, in this order; those that are not held are left out."""
        accounts = self._memory.accounts
        queries = np.array([account.queries for account in accounts.values()])
        volumes = dict(zip(accounts, shares_below(queries).tolist(), strict=True))
        clusters: defaultdict[str, list[int]] = defaultdict(list)
        for cluster in self._memory.clusters.in_alarm():
            for name in cluster.accounts:
                clusters[name].append(cluster.id)
        bits = self._looked_at()
        return [self._view(name, now, volumes[name], clusters[name], bits) for name in names if name in volumes]

    def _view(self, name: str, now: float, volume: float, clusters: Sequence[int], bits: Sequence[str]) -> ClientView:
        account = self._memory.accounts[name]
        sums = account.sums_at(now)
        families = ratios(sums)
        return ClientView(
            client=name,
            level=level_of(families),
            suspicion=max(families.values()),
            families=families,
            bits={bit: sums[PLACE[bit]] / ALARM for bit in bits},
            queries=account.queries,
            first=account.first,
            last=account.last,
            evidence=account.evidence,
            volume=volume,
            coverage=coverage(len(account.classes), len(self._memory.classes)),
            examples=tuple(account.examples),
            clusters=tuple(clusters),
        )

    def _looked_at(self) -> list[str]:
        """The bits that the profile looks at and that can be told here; none before that is known."""
        natural, bits = self._memory.natural, self._memory.profile.bits
        return [bit.name for bit in BITS if bit.name in bits and bit.name not in natural.off] if natural else []

    # -- clusters

    def clusters(self) -> list[ClusterView]:
        """The clusters in alarm, the latest first."""
        return [cluster_view(cluster) for cluster in self._memory.clusters.in_alarm()]

    def clusters_in_alarm(self, now: float, within: float) -> Counter[str]:
        """Clusters in alarm to which something came within so many seconds, by whose queries they hold.

        One that speaks against none of its clients, because what it holds is natural here, is not counted.
        """
        counts: Counter[str] = Counter()
        suspected = {held.client for held in self._memory.board.alarms(now)}
        for cluster in self._memory.clusters.in_alarm():
            if now - cluster.last > within:
                break  # all others were silent for longer
            if not cluster.accounts or not suspected.isdisjoint(cluster.accounts):
                counts[ACCOUNTS[min(len(cluster.accounts), 2)]] += 1
        return counts
