"""The board: which clients of a model are shown to Prometheus, and for how long.

Two lists with different promises. Those in alarm are what alerts fire on: a client stays for a while (15 minutes) after
the last evidence against it, and newer ones never push it out. The most suspicious are for dashboards, and come and go.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from detectors.kept import Changed
from exporter.clients.standings import Standings

#: clients in alarm that are shown one by one, for each model
MOST_ALARMS = 50
#: the most suspicious: so many enter, and leave after so many seconds below twice as many
TOP, LEAVE_SECONDS = 20, 600.0
#: suspicion below which a client is on no list
LEAST = 0.05


class Held(msgspec.Struct):
    """A client in alarm. families: S / h, the largest since the alarm began. Times in seconds since 1970."""

    client: str
    level: str
    families: dict[str, float]
    began: float
    evidence: float
    #: counted up: who came first, also of those that came at one time
    number: int = 0


class Board:
    """The lists of one model. Written by judging, query after query; read at a scrape.

    hold: seconds after the last evidence for which an alarm is held.
    """

    def __init__(self, hold: float = 900.0) -> None:
        self.hold = hold
        self._held: dict[str, Held] = {}
        self._number, self._many = 0, 2 * MOST_ALARMS
        #: clients in alarm of whom something changed since it was last written down
        self.changed = Changed()
        self._standings = Standings()
        #: those that are shown as most suspicious, and since when they are below twice TOP, or None
        self._top: dict[str, float | None] = {}

    def note(self, client: str, level: str, families: Mapping[str, float], now: float, evidence: float) -> None:
        """What a client amounts to after a query. evidence: when evidence last came."""
        self.suspect(client, families, now)
        held = self._held.get(client)
        if held is not None and evidence > held.evidence and now - held.evidence <= self.hold:
            held.evidence = evidence
            self.changed.note(client)
        if level in ("alarm", "severe"):
            self._hold(client, level, families, now, evidence)

    def suspect(self, client: str, families: Mapping[str, float], now: float) -> None:
        """How suspicious a client is now."""
        self._standings.put(client, families, now)

    def _hold(self, client: str, level: str, families: Mapping[str, float], now: float, evidence: float) -> None:
        held = self._held.get(client)
        self.changed.note(client)
        if held is not None and now - held.evidence > self.hold:
            del self._held[client]  # that alarm was over: this one is a new one, behind the others
            held = None
        if held is None:
            if now - evidence <= self.hold:
                self._number += 1
                self._drop_over(now)
                self._held[client] = Held(client, level, dict(families), now, evidence, self._number)
            return
        held.level = max(held.level, level)  # "severe" sorts after "alarm"
        for family, ratio in families.items():
            held.families[family] = max(held.families[family], ratio)

    def _drop_over(self, now: float) -> None:
        """Let go of alarms that are over, once there are many."""
        if len(self._held) < self._many:
            return
        for client in [client for client, held in self._held.items() if now - held.evidence > self.hold]:
            del self._held[client]
            self.changed.note(client)
        self._many = max(2 * len(self._held), 2 * MOST_ALARMS)

    def forget(self, client: str) -> None:
        """Take a client off all lists."""
        self.changed.note(client)
        self._held.pop(client, None)
        self._standings.remove(client)
        self._top.pop(client, None)

    # -- what is read

    def alarms(self, now: float) -> list[Held]:
        """The clients in alarm, those that came first at the front."""
        return [held for held in self._held.values() if now - held.evidence <= self.hold]

    def levels(self, now: float, within: float) -> dict[str, int]:
        """How many of the clients that were active within so many seconds are of each level."""
        return self._standings.levels(now, within)

    def ranked(self, now: float, level: str) -> list[tuple[float, str]]:
        """Suspicion and name of all clients of at least this level, the most suspicious first."""
        return self._standings.ranked(now, level)

    def most_suspicious(self, now: float) -> list[tuple[str, float]]:
        """The clients to show with their suspicion, the largest first; one that enters stays for a while."""
        ranked = self._standings.largest(2 * TOP, LEAST)
        within = set(ranked)
        for client in ranked[:TOP]:
            self._top.setdefault(client, None)
        for client, since in list(self._top.items()):
            if client in within:
                self._top[client] = None
            elif since is None:
                self._top[client] = now
            elif now - since > LEAVE_SECONDS:
                del self._top[client]
        while len(self._top) > 2 * TOP:  # so many came and went within ten minutes
            del self._top[min(self._top, key=self._shown_suspicion)]
        shown = [(client, self._shown_suspicion(client)) for client in self._top]
        return sorted(shown, key=lambda entry: (-entry[1], entry[0]))

    def _shown_suspicion(self, client: str) -> float:
        suspicion = self._standings.suspicion(client)
        return suspicion if suspicion >= LEAST else 0.0

    # -- what survives a restart

    def held(self) -> Iterable[str]:
        """The clients in alarm."""
        return self._held

    def entry(self, client: str) -> dict[str, Any] | None:
        """A client in alarm, as plain values; None for one that is not."""
        held = self._held.get(client)
        return None if held is None else msgspec.to_builtins(held)

    def dump(self) -> dict[str, Any]:
        """Everything but the entries, as plain values; suspicion follows from what else is known of clients."""
        return {"number": self._number}

    def load(self, state: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
        """Go on from the entries of all clients in alarm. Raises ValueError when they are something else."""
        held = sorted(msgspec.convert(list(entries.values()), list[Held]), key=lambda one: one.number)
        self._held = {one.client: one for one in held}
        self._number = int(state["number"])
        self.changed.note_all()
        self._standings, self._top = Standings(), {}
