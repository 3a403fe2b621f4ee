"""Weights: what each kind of evidence on a query adds at a model, by how often it is natural there now."""

from collections.abc import Mapping

from exporter.clients.account import Account
from exporter.clients.bits import ALARM, BITS, PLACE, Bit, Profile, steps
from exporter.clients.peers import Peers
from exporter.clients.warm_up import Natural

#: how much evidence of a kind counts that a client's query shares with the one of its latest that it follows from
FOLLOWING = 0.15
#: what a query in a cluster in alarm adds to its account, and what more where all its queries are related to earlier
#: ones: two of those are an alarm, also hours apart
CLUSTER_STEP, LONE_STEP = ALARM / 4, 0.4 * ALARM
#: what a query outside takes away at least, so that an accident is forgotten; and how much more often than natural
#: queries one must be in clusters for them to count
CLUSTER_MISS, CLUSTER_OFTEN = -0.3, 2.0
#: evidence that a query has in common with what it follows from
_SHARED = frozenset({"low_confidence", "out_of_distribution"})
#: what adds something else than the logarithm of its likelihood ratio
_APART = frozenset({"cluster", "distance_shape"})


class Weights:
    """The weights of one model.

    measured: bits that can be told here. looked_at: names of those that the profile looks at. counted: of these, what
    counts: not what most clients do. repeats_say: whether a repeat says anything: not in a small table, of which every
    row has come before.
    """

    def __init__(self, profile: Profile, natural: Natural, peers: Peers) -> None:
        self.measured = [bit for bit in BITS if bit.name not in natural.off]
        self.looked_at = frozenset(bit.name for bit in self.measured if bit.name in profile.bits)
        self.counted = self.looked_at - peers.off.keys()
        off = natural.off.keys() | peers.off.keys()
        self.repeats_say = "exact_repeat" not in off
        rates = {bit.name: rate(bit, natural, peers) for bit in BITS if bit.name not in off}
        #: of what counts but for clusters and shapes: name, place, what it adds set and not, and where it follows
        self._steps = [
            (bit.name, PLACE[bit.name], *steps(rates[bit.name], bit.p1), FOLLOWING if bit.name in _SHARED else 1.0)
            for bit in BITS
            if bit.name in self.counted - _APART
        ]
        in_clusters = rates.get("cluster", 0.0)
        self._cluster_odds = CLUSTER_OFTEN * in_clusters / (1 - in_clusters)

    def add(self, account: Account, flags: Mapping[str, str], follows: bool) -> None:
        """Add what a query says to its account; but distance shape, which is an alarm by itself.

        flags: the evidence on it. follows: whether it follows from one of the client's latest.
        """
        for name, place, with_it, without, following in self._steps:
            # what a query shares with the one that it follows from says little more
            account.add(place, (with_it if name in flags else without) * (following if follows else 1.0))
        if "cluster" in self.counted:
            step = cluster_step(account) if "cluster" in flags else self.cluster_miss(account)
            account.add(PLACE["cluster"], step)

    def cluster_miss(self, account: Account) -> float:
        """What a query outside clusters in alarm takes away: more where natural queries are often inside."""
        return min(CLUSTER_MISS, -self._cluster_odds * cluster_step(account))


def cluster_step(account: Account) -> float:
    """What one query in a cluster in alarm adds: more where the account does little else; one is no alarm."""
    return CLUSTER_STEP + LONE_STEP * min(account.related / max(account.queries, 1), 1.0)


def rate(bit: Bit, natural: Natural, peers: Peers) -> float:
    """p0 of a bit: the default, that of the warm-up or that of the clients, whichever is largest."""
    return max(natural.rates[bit.name], peers.rates[PLACE[bit.name]])
