"""What is known of one client of a model: its evidence by bit, and what it was last seen doing."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exporter.clients.bits import (
    ALARM,
    ALARM_RATIO,
    BITS,
    FAMILIES,
    HALF_LIFE,
    MOST,
    SEVERE_RATIO,
    WATCH_RATIO,
)

#: examples of evidence that are kept of each client
EXAMPLES = 10
#: queries of a client that are its latest: what follows from one of them is a stream
RECENT = 32
#: classes that are told apart
MOST_CLASSES = 64
_FAMILY_OF = tuple(FAMILIES.index(bit.family) for bit in BITS)


class Example(msgspec.Struct, frozen=True):
    """One query that spoke against a client."""

    time: float
    id: str | None
    flags: tuple[str, ...]
    reasons: tuple[str, ...]


class Account:
    """One client. sums: evidence by bit, in the order of BITS, 0 to MOST, as of `last`."""

    __slots__ = (
        "classes",
        "evidence",
        "examples",
        "first",
        "in_alarm",
        "last",
        "queries",
        "rates",
        "recent",
        "related",
        "sums",
        "turn",
    )

    def __init__(self, now: float) -> None:
        self.sums = [0.0] * len(BITS)
        self.first = self.last = now
        self.queries = 0
        #: by bit, how often its last queries set it, 0 to 1
        self.rates = [0.0] * len(BITS)
        #: of these, how many are related to an earlier query, whoever sent it
        self.related = 0
        #: the numbers of its latest queries
        self.recent: deque[int] = deque(maxlen=RECENT)
        self.classes: set[int] = set()
        self.examples: deque[Example] = deque(maxlen=EXAMPLES)
        #: when evidence last came
        self.evidence = 0.0
        #: families in alarm after the last query
        self.in_alarm: tuple[str, ...] = ()
        #: when it was active last, as its owner counts: a time may be that of several
        self.turn = 0

    def age(self, now: float) -> None:
        """Halve the evidence for every 24 hours since the last time."""
        if now > self.last:
            factor = 0.5 ** ((now - self.last) / HALF_LIFE)
            self.sums = [total * factor for total in self.sums]
            self.last = now

    def add(self, bit: int, step: float) -> None:
        """Add a step of evidence, which may be negative."""
        self.sums[bit] = min(max(self.sums[bit] + step, 0.0), MOST)

    def is_latest(self, number: int) -> bool:
        """Whether a query is the client's last one."""
        return bool(self.recent) and self.recent[-1] == number

    def raise_to(self, bit: int, total: float) -> None:
        """Evidence that is an alarm by itself."""
        self.sums[bit] = max(self.sums[bit], total)

    def sums_at(self, now: float) -> list[float]:
        """The evidence by bit as it is at this time, nothing changed."""
        factor = 0.5 ** (max(now - self.last, 0.0) / HALF_LIFE)
        return [total * factor for total in self.sums]

    def dump(self) -> list[Any]:
        """As plain values."""
        examples = [msgspec.to_builtins(example) for example in self.examples]
        return [
            list(self.sums),
            self.first,
            self.last,
            self.queries,
            sorted(self.classes),
            examples,
            self.evidence,
            list(self.in_alarm),
            self.related,
            list(self.recent),
            list(self.rates),
            self.turn,
        ]

    @classmethod
    def load(cls, state: Sequence[Any]) -> "Account":
        """The account that `dump` made this of."""
        sums, first, last, queries, classes, examples, evidence, in_alarm, related, recent, rates, turn = state
        account = cls(first)
        account.sums, account.last, account.queries = [float(total) for total in sums], last, queries
        account.classes, account.evidence, account.in_alarm = set(classes), evidence, tuple(in_alarm)
        account.related, account.rates, account.turn = related, list(rates), turn
        account.recent.extend(recent)
        account.examples.extend(msgspec.convert(list(examples), list[Example]))
        return account


def ratios(sums: Sequence[float]) -> dict[str, float]:
    """S / h by family, 0 to 4: the largest of its bits."""
    found = [0.0] * len(FAMILIES)
    for family, total in zip(_FAMILY_OF, sums, strict=True):
        if total > found[family]:
            found[family] = total
    return {name: total / ALARM for name, total in zip(FAMILIES, found, strict=True)}


def level_of(families: Mapping[str, float]) -> str:
    """The level that S / h by family amounts to. Exact repeats alone never go beyond alarm."""
    in_alarm = [name for name, ratio in families.items() if ratio >= ALARM_RATIO]
    largest = max(families.values())
    if len(in_alarm) >= 2 or max(families[name] for name in FAMILIES if name != "repeat") >= SEVERE_RATIO:
        return "severe"
    if in_alarm:
        return "alarm"
    return "watch" if largest >= WATCH_RATIO else "ok"
