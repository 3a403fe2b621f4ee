"""Weighing: what each query of a model says of its client and its cluster, one after the other."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from detectors import Query
from detectors.cluster import Cluster
from detectors.exact_repeat import Seen
from detectors.nearest_distance import REVISIT
from exporter.clients.account import Account, Example, level_of, ratios
from exporter.clients.bits import ALARM, ALARM_RATIO, PLACE, WATCH_RATIO
from exporter.clients.findings import Contents, Findings
from exporter.clients.memory import Memory
from exporter.clients.peers import CLIENT_QUERIES, EVERY
from exporter.clients.weights import Weights, cluster_step

#: repeats at the same interval, from one client, from which a query is suggested for the allow-list
STEADY = 5
MOST_SUGGESTIONS = 20
#: classes that are told apart at a model, and of the answers of one client
MOST_CLASSES, CLIENT_CLASSES = 1_000, 64


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What is known of a query and its client right after it. flags: the evidence on this query; reasons: in words."""

    level: str
    flags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


_OK = Verdict("ok")


class Weighing:
    """Weighs queries by what is natural for their model, which is known, and keeps in its memory what it comes to."""

    def __init__(self, memory: Memory) -> None:
        assert memory.natural is not None
        self._memory, self._natural = memory, memory.natural
        self._weights = Weights(memory.profile, memory.natural, memory.peers)

    def take_in(self, queries: Sequence[Query], times: Sequence[float], contents: Contents) -> None:
        """Have queries enter the windows; nobody is judged by them."""
        found = self._findings(queries, times, contents)
        for place in found.readable:
            self._repeat(found, place)

    def judge(self, queries: Sequence[Query], times: Sequence[float], contents: Contents) -> list[Verdict]:
        """Verdicts on the queries of a batch, of which there is one at least."""
        found = self._findings(queries, times, contents)
        verdicts = [self._weigh(found, place) for place in range(len(queries))]
        self._memory.forget()
        return verdicts

    def _findings(self, queries: Sequence[Query], times: Sequence[float], contents: Contents) -> Findings:
        """What the detectors find; afterwards the queries belong to history and index."""
        memory = self._memory
        when = np.maximum.accumulate(np.maximum(np.asarray(times, dtype=np.float64), memory.now)).tolist()
        first = memory.number
        memory.now, memory.number = when[-1], first + len(queries)
        return Findings(self._natural, memory.history, memory.index, queries, when, first, contents)

    def _weigh(self, found: Findings, place: int) -> Verdict:
        """Everything on one query, for its client and its cluster."""
        query, now = found.queries[place], found.times[place]
        if found.numbers[place] % EVERY == 0:
            self._look_at_peers(now)
        flags: dict[str, str] = {}
        seen, before = self._repeat(found, place) if found.is_readable[place] else (None, None)
        if seen is not None and before is not None:
            flags["exact_repeat"] = f"the same query came {seen.count} times from {_clients(seen)}"
        found.flag(place, flags)
        cluster = self._join(found, place, before)
        if cluster is not None and cluster.alarmed is not None:
            flags["cluster"] = _told(cluster)
        if query.client is None:
            self._memory.counts.without_client += 1
            return self._said("ok", flags)
        return self._account_for(query, query.client, now, found, place, flags)

    def _look_at_peers(self, now: float) -> None:
        """Measure anew what is natural; evidence that most clients have shown to be none is taken off all of them."""
        memory, before = self._memory, self._weights.counted
        memory.peers.look(reversed(memory.accounts.values()))
        self._weights = Weights(memory.profile, self._natural, memory.peers)
        places = [PLACE[name] for name in before - self._weights.counted]
        if places:
            for client, account in memory.take_off(places, now):
                self._notice(client, account, now)

    # -- repeats and clusters

    def _repeat(self, found: Findings, place: int) -> tuple[Seen, int | None]:
        """The key of the query as it is known now, and the number of the one that it repeats, if that counts."""
        query, key, memory = found.queries[place], found.keys[place], self._memory
        earlier = memory.repeats.get(key)
        before = None if earlier is None or earlier.failed else earlier.number
        if earlier is not None:
            found.repeated[place] = earlier.number
        seen = memory.repeats.add(key, found.numbers[place], found.times[place], query.client, bool(query.error))
        if seen.steady >= STEADY and len(seen.clients) == 1 and len(memory.suggestions) < MOST_SUGGESTIONS:
            memory.suggestions[key] = (next(iter(seen.clients)), seen.interval, query.id or "")
        return seen, before

    def _join(self, found: Findings, place: int, before: int | None) -> Cluster | None:
        """The cluster of the query, after it joined."""
        if "cluster" not in self._weights.looked_at or (before is None and place in found.repeated):
            return None  # who asks again after an error joins nothing
        if before is not None and not self._weights.repeats_say:
            return None
        earlier, is_repeat = (before, True) if before is not None else (found.variant_of(place), False)
        if earlier is None:
            return None
        client, memory = found.queries[place].client, self._memory
        account = None if client is None else memory.accounts.get(client)
        cluster = memory.clusters.join(
            found.numbers[place],
            earlier,
            found.times[place],
            client,
            found.labels[place],
            is_repeat,
            account is not None and account.is_latest(earlier),
            found.distance(place),
            found.is_matched(place),
            0 if account is None else account.queries,
        )
        if memory.clusters.new_alarm(cluster):
            self._charge(cluster, found.times[place], client)
        return cluster

    def _charge(self, cluster: Cluster, now: float, newest: str | None) -> None:
        """What the queries that came before a cluster's alarm add to their accounts."""
        if "cluster" not in self._weights.counted:
            return
        for client, count in cluster.accounts.items():
            earlier = count - (client == newest)
            if earlier:
                account = self._memory.account(client, now)
                account.age(now)
                others = account.queries - cluster.since.get(client, 0) - count
                total = earlier * cluster_step(account) + max(others, 0) * self._weights.cluster_miss(account)
                account.add(PLACE["cluster"], max(total, 0.0))
                account.evidence = now
                self._notice(client, account, now)

    # -- the client

    def _account_for(
        self, query: Query, client: str, now: float, found: Findings, place: int, flags: dict[str, str]
    ) -> Verdict:
        account = self._memory.account(client, now)
        account.age(now)
        account.queries += 1
        follows = self._follows(account, found, place, flags)
        if not follows:
            self._add_shape(account, client, found, place, flags)
        self._measure(account, flags)
        self._weights.add(account, flags, follows)
        self._note_class(account, found.labels[place])
        if not self._weights.counted.isdisjoint(flags):
            account.evidence = now
        verdict = self._said(self._notice(client, account, now), flags)
        if verdict.flags:
            account.examples.append(Example(now, query.id, verdict.flags, verdict.reasons))
        return verdict

    def _follows(self, account: Account, found: Findings, place: int, flags: dict[str, str]) -> bool:
        """Whether the query follows from one of the client's latest.

        One that is near to another query is a revisit.
        """
        earlier, number = found.nearest_of(place), found.numbers[place]
        earlier = found.repeated.get(place, earlier)
        follows = earlier is not None and earlier in account.recent
        if not follows and place not in found.repeated and found.distance(place) < REVISIT:
            flags["revisit"] = "is near to an old query, or to one of another client"
        account.related += earlier is not None and (self._weights.repeats_say or place not in found.repeated)
        account.recent.append(number)
        return follows

    def _add_shape(self, account: Account, client: str, found: Findings, place: int, flags: dict[str, str]) -> None:
        """Distance shape is an alarm by itself; it lasts until its evidence has halved, or W is natural again."""
        if "distance_shape" not in self._weights.looked_at or place not in found.row_of or "exact_repeat" in flags:
            return
        natural = self._natural.shape
        w = self._memory.shape(client, found.points[found.row_of[place]], found.labels[place])
        if w < natural:
            flags["distance_shape"] = f"W of the distances is {w:.2f}, natural is {natural:.2f} and more"
            if "distance_shape" in self._weights.counted:
                account.raise_to(PLACE["distance_shape"], ALARM)

    def _measure(self, account: Account, flags: Mapping[str, str]) -> None:
        """How often the client sets each bit, and clients of whom nothing is suspected."""
        is_calm, share = max(account.sums) < WATCH_RATIO * ALARM, 1 / min(account.queries, CLIENT_QUERIES)
        for bit in self._weights.measured:
            place, is_set = PLACE[bit.name], bit.name in flags
            account.rates[place] += (is_set - account.rates[place]) * share
            if is_calm:
                self._memory.peers.note_calm(place, is_set)

    def _note_class(self, account: Account, label: int) -> None:
        if label >= 0 and len(account.classes) < CLIENT_CLASSES:
            account.classes.add(label)
            if len(self._memory.classes) < MOST_CLASSES:
                self._memory.classes.add(label)

    def _notice(self, client: str, account: Account, now: float) -> str:
        """Count the families that came into alarm, and put it on the board; the client's level."""
        families = ratios(account.sums)
        in_alarm = tuple(family for family, ratio in families.items() if ratio >= ALARM_RATIO)
        level = level_of(families)
        if in_alarm:
            self._memory.counts.note(client, account, level, families, in_alarm, now)
        account.in_alarm = in_alarm
        self._memory.board.note(client, level, families, now, account.evidence)
        return level

    def _said(self, level: str, flags: Mapping[str, str]) -> Verdict:
        counted = self._weights.counted
        told = {name: words for name, words in flags.items() if name in counted}
        return Verdict(level, tuple(told), tuple(told.values())) if told or level != "ok" else _OK


def _clients(seen: Seen) -> str:
    count = len(seen.clients)
    return "nobody known" if not count else "one client" if count == 1 else f"{count} clients"


def _told(cluster: Cluster) -> str:
    accounts = len(cluster.accounts)
    words = f"one of {cluster.near + cluster.repeats} variants of one query"
    if cluster.reason == "label_changes":
        words += f", between which the answer changed {cluster.changes} times"
    return words + (f", from {accounts} clients" if accounts > 1 else "")
