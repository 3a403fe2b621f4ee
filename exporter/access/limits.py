"""Token buckets: how often somebody may do something. Constant work for each request, bounded memory."""

import ipaddress
from collections import OrderedDict
from functools import lru_cache

#: senders that are remembered; beyond it the one that was silent longest is forgotten
SENDERS = 10_000


class Buckets:
    """A bucket for each sender: it holds `burst` tokens and gets `per_second` back. Times are monotonic seconds."""

    def __init__(self, per_second: float, burst: float, senders: int = SENDERS) -> None:
        self._per_second, self._burst, self._senders = per_second, max(burst, 1.0), senders
        #: tokens and when they were counted, the sender that was silent longest first
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str, now: float) -> float:
        """Take a token: 0 if there was one, else the seconds until there is."""
        tokens = self._tokens(sender, now)
        wait = self._wait(tokens)
        self._buckets.pop(sender, None)  # to the end of the order
        self._buckets[sender] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > self._senders:
            self._buckets.popitem(last=False)
        return wait

    def wait(self, sender: str, now: float) -> float:
        """Seconds until there is a token, 0 if there is one. Takes none."""
        return self._wait(self._tokens(sender, now))

    def __len__(self) -> int:
        return len(self._buckets)

    def _tokens(self, sender: str, now: float) -> float:
        found = self._buckets.get(sender)
        return self._burst if found is None else min(self._burst, found[0] + (now - found[1]) * self._per_second)

    def _wait(self, tokens: float) -> float:
        return 0.0 if tokens >= 1 else (1 - tokens) / self._per_second


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 of an IPv6 address, all of which one host can use."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
