"""Peers: how often the clients of a model show each kind of evidence now, so that what most of them do is natural.

The rate of a bit is the median over the established clients of each one's own rate. One client has one voice, however
much it sends, and an account with a few queries has none: who wants to move the median needs half of the clients.

A model with fewer than five established clients has no median. Of the bits that natural queries set more often the
more of them there are (repeats and nearness), the rate is then that of all queries whose client was not suspected of
anything when they came: it follows slow growth, and an attack is suspected before it has moved it.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from statistics import median
from typing import Any

from exporter.clients.account import Account
from exporter.clients.bits import BITS, PLACE, is_off, natural_rate

#: queries of a client from which it is established, and clients from which there is a median
ESTABLISHED, FEWEST = 20, 5
#: queries after which rates are looked at anew, and clients that are looked at: the last that sent something
EVERY, MOST = 256, 512
#: queries that a rate goes back, of one client and of all without suspicion
CLIENT_QUERIES, CALM_QUERIES = 100, 200
#: bits that natural queries set more often with more of them in the window
GROWING = tuple(PLACE[name] for name in ("exact_repeat", "near_distance", "revisit"))


class Peers:
    """How often each bit is natural by now: rates, in the order of BITS, and which bits are off, with the reason."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        """shares: of the warm-up's queries that set a bit, by name."""
        self.rates = [0.0] * len(BITS)
        self.off: dict[str, str] = {}
        self.calm = [shares.get(bit.name, 0.0) for bit in BITS]

    def note_calm(self, place: int, is_set: bool) -> None:
        """Whether one query of a client that nothing speaks against sets the bit."""
        self.calm[place] += (is_set - self.calm[place]) / CALM_QUERIES

    def look(self, latest: Iterable[Account]) -> None:
        """Look at the rates anew. latest: clients, the one that was last active first."""
        established = [account for account in islice(latest, MOST) if account.queries >= ESTABLISHED]
        if len(established) >= FEWEST:
            queries = sum(min(account.queries, CLIENT_QUERIES) for account in established)
            shares = [median(account.rates[place] for account in established) for place in range(len(BITS))]
        else:
            queries = CALM_QUERIES
            shares = [share if place in GROWING else 0.0 for place, share in enumerate(self.calm)]
        self.rates = [natural_rate(bit.p0, share * queries, queries) for bit, share in zip(BITS, shares, strict=True)]
        self.off = {
            bit.name: f"set for {share:.0%} of the queries of most clients"
            for bit, share, rate in zip(BITS, shares, self.rates, strict=True)
            if is_off(rate, bit.p1)
        }

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {"rates": list(self.rates), "off": dict(self.off), "calm": list(self.calm)}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Peers":
        """What `dump` made this of."""
        peers = cls({})
        peers.rates, peers.off, peers.calm = list(state["rates"]), dict(state["off"]), list(state["calm"])
        return peers
