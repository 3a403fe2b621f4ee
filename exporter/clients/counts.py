"""What is counted of a model's clients since the start: a new warm-up changes nothing of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from exporter.clients.account import Account, Example
from exporter.clients.bits import FAMILIES

#: clients that came into alarm and are waiting to be told of
MOST_NEWS = 1_000


class Alarmed(NamedTuple):
    """A client that came into alarm. families: S / h, 0 to 4; in_alarm: those of them that are; time: when it did."""

    client: str
    level: str
    families: dict[str, float]
    in_alarm: tuple[str, ...]
    examples: tuple[Example, ...]
    time: float


class Counts:
    """The counts of one model, and the alarms that nobody was told of yet."""

    def __init__(self) -> None:
        #: clients that came into alarm, by family
        self.alarms: Counter[str] = Counter(dict.fromkeys(FAMILIES, 0))
        #: clients in alarm that people said are none, by family
        self.dismissed: Counter[str] = Counter(dict.fromkeys(FAMILIES, 0))
        #: queries from nobody known
        self.without_client = 0
        self._news: list[tuple[str, Account, str, dict[str, float], float]] = []

    def note(
        self, client: str, account: Account, level: str, families: dict[str, float], in_alarm: Iterable[str], now: float
    ) -> None:
        """What a client in alarm amounts to after a query. account: with the `in_alarm` that it had before."""
        new = [family for family in in_alarm if family not in account.in_alarm]
        for family in new:
            self.alarms[family] += 1
        if new and not account.in_alarm and len(self._news) < MOST_NEWS:
            self._news.append((client, account, level, families, now))

    def take_news(self) -> list[Alarmed]:
        """The clients that came into alarm since this was asked last, with their examples as they are now."""
        news, self._news = self._news, []
        return [
            Alarmed(client, level, families, account.in_alarm, tuple(account.examples), time)
            for client, account, level, families, time in news
        ]

    def begin_anew(self) -> None:
        """All alarms and dismissals at 0."""
        for counts in (self.alarms, self.dismissed):
            for family in FAMILIES:
                counts[family] = 0

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from the counts of a state."""
        for counts, kept in ((self.alarms, state["alarms"]), (self.dismissed, state["dismissed"])):
            counts.update({family: int(kept.get(family, 0)) - counts[family] for family in FAMILIES})
        self.without_client = int(state["without_client"])
