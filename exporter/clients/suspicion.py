"""Suspicion: evidence on the queries of one model, and what it amounts to for each client.

Queries come in micro-batches, in order; how they are cut into batches changes nothing. Time is handed in and never
runs backwards. Nothing here looks at the clock, the network or the log.
"""

from collections import Counter, defaultdict
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detectors import InvalidQuery, Query, inputs
from detectors.canonical import content_keys
from detectors.cluster import Cluster, Clusters
from detectors.distance_shape import Growing
from detectors.exact_repeat import Repeats, Seen
from detectors.fingerprint import Index
from detectors.kept import Changed, RowReader, Rows, check_same, in_words
from detectors.low_confidence import doubts
from detectors.nearest_distance import REVISIT, History
from detectors.volume import coverage, shares_below
from exporter.clients import first, warm_up
from exporter.clients.account import Account, Example, level_of, ratios
from exporter.clients.bits import ALARM, ALARM_RATIO, BITS, FAMILIES, PLACE, PROFILES, WATCH_RATIO, Bit, steps
from exporter.clients.board import Board
from exporter.clients.entries import Collection, Entries, Values
from exporter.clients.findings import Contents, Findings
from exporter.clients.peers import CLIENT_QUERIES, EVERY, Peers
from exporter.clients.views import ACCOUNTS, BitView, ClientView, ClusterView, Suggestion, cluster_view
from exporter.clients.warm_up import Natural
from exporter.config import Clients

#: of the state that is kept
FORMAT = "suspicion 2"
#: memory of one model's windows at most
MODEL_BYTES = 200_000_000
#: queries that are looked at together
BATCH = 256
#: clients of a model that are held; how many of the least suspicious are let go together
MOST_CLIENTS, LEAVING = 20_000, 2_000
#: clients whose distances are held, the last to send something: one takes 256 KiB at most
MOST_SHAPES = 128
#: how much evidence of a kind counts that a client's query shares with the one of its latest that it follows from
FOLLOWING = 0.15
#: repeats at the same interval, from one client, from which a query is suggested for the allow-list
STEADY = 5
MOST_SUGGESTIONS = 20
#: clients that came into alarm and are waiting to be told of
MOST_NEWS = 1_000
#: what a query in a cluster in alarm adds to its account, and what more where all its queries are related to earlier
#: ones: two of those are an alarm, also hours apart
CLUSTER_STEP, LONE_STEP = ALARM / 4, 0.4 * ALARM
#: what a query outside takes away at least, so that an accident is forgotten; and how much more often than natural
#: queries one must be in clusters for them to count
CLUSTER_MISS, CLUSTER_OFTEN = -0.3, 2.0


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What is known of a query and its client right after it. flags: the evidence on this query; reasons: in words."""

    level: str
    flags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class Alarmed(NamedTuple):
    """A client that came into alarm. families: S / h, 0 to 4; in_alarm: those of them that are; time: when it did."""

    client: str
    level: str
    families: dict[str, float]
    in_alarm: tuple[str, ...]
    examples: tuple[Example, ...]
    time: float


class Suspicion:
    """The evidence and the clients of one model.

    settings: profile and allow-lists. secret: a number that nobody else knows; the same gives the same results.
    """

    def __init__(self, settings: Clients, secret: int, max_bytes: int = MODEL_BYTES) -> None:
        self.settings, self.secret, self.max_bytes = settings, secret, max_bytes
        self.profile = PROFILES[settings.profile]
        self._allowed = frozenset(settings.allow)
        self._salt = secret.to_bytes(32, "little")
        #: clients that came into alarm since the start, by family
        self.alarms: Counter[str] = Counter(dict.fromkeys(FAMILIES, 0))
        #: clients in alarm that people said are none, by family
        self.dismissed: Counter[str] = Counter(dict.fromkeys(FAMILIES, 0))
        self.without_client = 0
        #: clients that came into alarm and nobody was told of yet
        self._news: list[tuple[str, Account, str, dict[str, float], float]] = []
        self.restart_warm_up()

    # -- warm-up

    def restart_warm_up(self) -> None:
        """Forget what is natural, and everything that was measured by it."""
        self.natural: Natural | None = None
        self._first: list[Query] = []
        self._first_times: list[float] = []
        self._now = -np.inf
        self._number = self._turn = 0
        #: by client, the one that was last active at the end
        self._accounts: dict[str, Account] = {}
        self._changed = {name: Changed() for name in ("natural", "first", "accounts", "growing", "points")}
        self.board = Board(self.settings.alarm_hold)
        self._suggestions: dict[int, tuple[str, float, str]] = {}
        self._classes: set[int] = set()
        self._active: list[Bit] = []
        self._names: frozenset[str] = frozenset()
        #: of these, what counts: not what most clients do
        self._counted: frozenset[str] = frozenset()
        self._peers = Peers({})
        self._forget_windows()

    def _forget_windows(self) -> None:
        self._repeats = Repeats()
        self._clusters = Clusters(self.profile.cluster_variants)
        self._growing: dict[str, Growing] = {}
        self._history: History | None = None
        self._index: Index | None = None
        self._entries = Entries(
            {
                "natural": Collection(lambda: [0], self._natural_entry, self._changed["natural"]),
                "first": Collection(lambda: range(len(self._first)), self._first_entry, self._changed["first"]),
                "accounts": Collection(self._accounts.keys, self._account_entry, self._changed["accounts"]),
                "growing": Collection(self._growing.keys, self._growing_entry, self._changed["growing"]),
                "points": Collection(self._point_keys, self._point_entry, self._changed["points"]),
                "repeats": Collection(self._repeats.held, self._repeats.entry, self._repeats.changed),
                "clusters": Collection(self._clusters.held, self._clusters.entry, self._clusters.changed),
                "held": Collection(self.board.held, self.board.entry, self.board.changed),
            }
        )

    @property
    def is_warm(self) -> bool:
        """Whether it is known what is natural."""
        return self.natural is not None

    def warm_up_ratio(self) -> float:
        """How much of the warm-up is done, 0 to 1."""
        return 1.0 if self.is_warm else len(self._first) / warm_up.LEAST

    def calibrate(self, queries: Sequence[Query]) -> None:
        """Learn what is natural from these queries, which enter no window. Raises ValueError if they are too few."""
        kept = queries
        if len(queries) > warm_up.MOST:
            kept = [queries[place] for place in np.linspace(0, len(queries) - 1, warm_up.MOST).astype(int).tolist()]
        values, keys, readable = self._contents(kept)
        if len(values) < warm_up.FEWEST:
            raise ValueError(f"{len(values)} readable queries are too few to learn from; expected {warm_up.FEWEST}")
        different = len(set(keys.tolist()))
        if different < warm_up.FEWEST_DIFFERENT:
            expected = warm_up.FEWEST_DIFFERENT
            raise ValueError(f"{different} different queries are too few to learn from; expected {expected}")
        scores, labels = doubts([kept[place].model_output for place in readable])
        self.natural = Natural.of(values, keys, scores, labels, self.secret)
        self._clear_first()
        self._prepare()

    def _clear_first(self) -> None:
        for place in range(len(self._first)):
            self._changed["first"].note(place)
        self._first, self._first_times = [], []

    def _prepare(self) -> None:
        """Windows and steps for what is natural."""
        self._changed["natural"].note(0)
        assert self.natural is not None
        natural = self.natural
        self._active = [bit for bit in BITS if bit.name in self.profile.bits and bit.name not in natural.off]
        self._measured = [bit for bit in BITS if bit.name not in natural.off]
        self._names = frozenset(bit.name for bit in self._active)
        self._peers = Peers(natural.shares)
        self._set_steps()
        if self.profile.cluster_variants is not None:
            # where natural queries are near to each other, more of them come together by accident
            scale = natural.shares.get("near_distance", 0.0) / BITS[PLACE["near_distance"]].p0
            self._clusters.variants = self.profile.cluster_variants * min(max(scale, 1.0), 2.0)
        if natural.points is not None:
            self._history = History(natural.points.dimensions, self._window_size(natural.points.dimensions))
            assert natural.fingerprints is not None
            self._index = Index(_slots(self.max_bytes), natural.fingerprints.width)

    def _set_steps(self) -> None:
        """What each kind of evidence adds, by how often it is natural now."""
        assert self.natural is not None
        self._counted = self._names - self._peers.off.keys()
        off = self.natural.off.keys() | self._peers.off.keys()
        rates = {bit.name: self._natural_rate(bit) for bit in BITS if bit.name not in off}
        self._steps = [steps(rates[bit.name], bit.p1) if bit.name in rates else (0.0, 0.0) for bit in BITS]
        in_clusters = rates.get("cluster", 0.0)
        self._cluster_odds = CLUSTER_OFTEN * in_clusters / (1 - in_clusters)
        #: whether a repeat says anything: not in a small table, of which every row has come before
        self._repeats_say = "exact_repeat" not in off

    def _cluster_miss(self, account: Account) -> float:
        """What a query outside clusters in alarm takes away: more where natural queries are often inside."""
        return min(CLUSTER_MISS, -self._cluster_odds * _cluster_step(account))

    def _natural_rate(self, bit: Bit) -> float:
        """p0 of a bit: the default, that of the warm-up or that of the clients, whichever is largest."""
        assert self.natural is not None
        return max(self.natural.rates[bit.name], self._peers.rates[PLACE[bit.name]])

    def _look_at_peers(self, now: float) -> None:
        """Measure anew what is natural; evidence that most clients have shown to be none is taken off all of them."""
        before = self._counted
        self._peers.look(reversed(self._accounts.values()))
        self._set_steps()
        places = [PLACE[name] for name in before - self._counted]
        if places:
            for client, account in list(self._accounts.items()):
                if any(account.sums[place] for place in places):
                    self._changed["accounts"].note(client)
                    account.age(now)
                    for place in places:
                        account.sums[place] = 0.0
                    self._notice(client, account, now)

    def _window_size(self, dimensions: int) -> int:
        """Queries of which the points fit into half of the memory."""
        return max(1_000, min(100_000, self.max_bytes // 2 // (5 * (2 * dimensions + 160) // 4)))

    # -- judging

    def observe(self, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        """Judge queries in their order. times: seconds since 1970 when they came, never running backwards."""
        verdicts: list[Verdict] = []
        start = 0
        while start < len(queries):
            if self.natural is None:
                stop = min(len(queries), start + warm_up.LEAST - len(self._first))
                verdicts += self._warm_up(queries[start:stop], times[start:stop])
            else:
                stop = min(len(queries), start + BATCH)
                verdicts += self._judge(queries[start:stop], times[start:stop])
            start = stop
        return verdicts

    def _warm_up(self, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        for place in range(len(self._first), len(self._first) + len(queries)):
            self._changed["first"].note(place)
        self._first += map(first.bounded, queries)
        self._first_times += times
        if len(self._first) >= warm_up.LEAST:
            learned, when = self._first, self._first_times
            try:
                self.calibrate(learned)
            except ValueError:  # nothing that can be read, or a probe alone: begin anew
                self._clear_first()
            else:
                self._take_in(learned, when)
        return [Verdict("warming_up")] * len(queries)

    def _take_in(self, queries: Sequence[Query], times: Sequence[float]) -> None:
        """The queries of a live warm-up enter the windows; nobody is judged by them."""
        for start in range(0, len(queries), BATCH):
            found = self._findings(queries[start : start + BATCH], times[start : start + BATCH])
            for place in found.readable:
                self._repeat(found, place)

    def _judge(self, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        judged = [place for place, query in enumerate(queries) if query.client not in self._allowed]
        if len(judged) < len(queries):
            verdicts = [Verdict("ok")] * len(queries)
            for place, verdict in zip(judged, self._judge_all(*_taken(queries, times, judged)), strict=True):
                verdicts[place] = verdict
            return verdicts
        return self._judge_all(queries, times)

    def _judge_all(self, queries: Sequence[Query], times: Sequence[float]) -> list[Verdict]:
        if not queries:
            return []
        found = self._findings(queries, times)
        verdicts = [self._weigh(found, place) for place in range(len(queries))]
        self._forget()
        return verdicts

    def _findings(self, queries: Sequence[Query], times: Sequence[float]) -> Findings:
        """What the detectors find; afterwards the queries belong to history and index."""
        assert self.natural is not None
        when = np.maximum.accumulate(np.maximum(np.asarray(times, dtype=np.float64), self._now)).tolist()
        contents, number = self._contents(queries), self._number
        self._now, self._number = when[-1], number + len(queries)
        return Findings(self.natural, self._history, self._index, queries, when, number, contents)

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
            self.without_client += 1
            return self._said("ok", flags)
        return self._account_for(query, now, found, place, flags)

    def _repeat(self, found: Findings, place: int) -> tuple[Seen, int | None]:
        """The key of the query as it is known now, and the number of the one that it repeats, if that counts."""
        query = found.queries[place]
        key = found.keys[place]
        earlier = self._repeats.get(key)
        before = None if earlier is None or earlier.failed else earlier.number
        if earlier is not None:
            found.repeated[place] = earlier.number
        seen = self._repeats.add(key, found.numbers[place], found.times[place], query.client, bool(query.error))
        if seen.steady >= STEADY and len(seen.clients) == 1 and len(self._suggestions) < MOST_SUGGESTIONS:
            self._suggestions[key] = (next(iter(seen.clients)), seen.interval, query.id or "")
        return seen, before

    def _join(self, found: Findings, place: int, before: int | None) -> Cluster | None:
        """The cluster of the query, after it joined."""
        if "cluster" not in self._names or (before is None and place in found.repeated):
            return None  # who asks again after an error joins nothing
        if before is not None and not self._repeats_say:
            return None
        earlier, is_repeat = (before, True) if before is not None else (found.variant_of(place), False)
        if earlier is None:
            return None
        client, label = found.queries[place].client, found.labels[place]
        account = None if client is None else self._accounts.get(client)
        is_link = account is not None and account.is_latest(earlier)
        cluster = self._clusters.join(
            found.numbers[place],
            earlier,
            found.times[place],
            client,
            label,
            is_repeat,
            is_link,
            found.distance(place),
            found.is_matched(place),
            0 if account is None else account.queries,
        )
        if self._clusters.new_alarm(cluster):
            self._charge(cluster, found.times[place], client)
        return cluster

    def _charge(self, cluster: Cluster, now: float, newest: str | None) -> None:
        """What the queries that came before a cluster's alarm add to their accounts."""
        if "cluster" not in self._counted:
            return
        for client, count in cluster.accounts.items():
            earlier = count - (client == newest)
            if earlier:
                account = self._account(client, now)
                account.age(now)
                others = account.queries - cluster.since.get(client, 0) - count
                total = earlier * _cluster_step(account) + max(others, 0) * self._cluster_miss(account)
                account.add(PLACE["cluster"], max(total, 0.0))
                account.evidence = now
                self._notice(client, account, now)

    def _account(self, client: str, now: float) -> Account:
        account = self._accounts.pop(client, None) or Account(now)
        self._accounts[client] = account
        self._turn += 1
        account.turn = self._turn
        self._changed["accounts"].note(client)
        if not account.queries and len(self._accounts) > MOST_CLIENTS:
            self._let_go(now, client)
        return account

    def _account_for(self, query: Query, now: float, found: Findings, place: int, flags: dict[str, str]) -> Verdict:
        assert query.client is not None
        account = self._account(query.client, now)
        account.age(now)
        account.queries += 1
        follows = self._follows(account, found, place, flags)
        self._add_shape(account, query.client, found, place, flags, follows)
        self._add_evidence(account, flags, follows)
        if found.labels[place] >= 0 and len(account.classes) < 64:
            account.classes.add(found.labels[place])
            if len(self._classes) < 1000:
                self._classes.add(found.labels[place])
        if not self._counted.isdisjoint(flags):
            account.evidence = now
        verdict = self._said(self._notice(query.client, account, now), flags)
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
        account.related += earlier is not None and (self._repeats_say or place not in found.repeated)
        account.recent.append(number)
        return follows

    def _add_evidence(self, account: Account, flags: Mapping[str, str], follows: bool) -> None:
        is_calm, share = max(account.sums) < WATCH_RATIO * ALARM, 1 / min(account.queries, CLIENT_QUERIES)
        for bit in self._measured:
            place, is_set = PLACE[bit.name], bit.name in flags
            account.rates[place] += (is_set - account.rates[place]) * share
            if is_calm:
                self._peers.note_calm(place, is_set)
            if bit.name not in self._counted:
                continue
            if bit.name == "cluster":
                account.add(place, _cluster_step(account) if is_set else self._cluster_miss(account))
            elif bit.name != "distance_shape":
                # what a query shares with the one that it follows from says little more
                weight = FOLLOWING if follows and bit.name in _SHARED else 1.0
                account.add(place, self._steps[place][0 if is_set else 1] * weight)

    def _add_shape(
        self, account: Account, client: str, found: Findings, place: int, flags: dict[str, str], follows: bool
    ) -> None:
        """Distance shape is an alarm by itself; it lasts until its evidence has halved, or W is natural again."""
        assert self.natural is not None
        if follows or "distance_shape" not in self._names or place not in found.row_of or "exact_repeat" in flags:
            return
        growing, label = self._grown(client), found.labels[place]
        before = growing.count(label)
        w = growing.add(found.points[found.row_of[place]], label)
        self._changed["growing"].note(client)
        for new in range(before, growing.count(label)):
            self._changed["points"].note((client, label, new))
        if w < self.natural.shape:
            flags["distance_shape"] = f"W of the distances is {w:.2f}, natural is {self.natural.shape:.2f} and more"
            if "distance_shape" in self._counted:
                account.raise_to(PLACE["distance_shape"], ALARM)

    def _grown(self, client: str) -> Growing:
        """The distances of a client, which are now the last to be let go of."""
        growing = self._growing.pop(client, None) or Growing()
        if len(self._growing) >= MOST_SHAPES:
            self._drop_shape(next(iter(self._growing)))
        self._growing[client] = growing
        self._turn += 1
        growing.turn = self._turn
        return growing

    def _drop_shape(self, client: str) -> None:
        growing = self._growing.pop(client, None)
        if growing is not None:
            self._changed["growing"].note(client)
            for place in growing.places():
                self._changed["points"].note((client, *place))

    def _notice(self, client: str, account: Account, now: float) -> str:
        """Count the families that came into alarm, and put it on the board; the client's level."""
        families = ratios(account.sums)
        in_alarm = tuple(family for family, ratio in families.items() if ratio >= ALARM_RATIO)
        level = level_of(families)
        for family in in_alarm:
            if family not in account.in_alarm:
                self.alarms[family] += 1
        if in_alarm and not account.in_alarm and len(self._news) < MOST_NEWS:
            self._news.append((client, account, level, families, now))
        account.in_alarm = in_alarm
        self.board.note(client, level, families, now, account.evidence)
        return level

    def _said(self, level: str, flags: Mapping[str, str]) -> Verdict:
        told = {name: words for name, words in flags.items() if name in self._counted}
        return Verdict(level, tuple(told), tuple(told.values())) if told or level != "ok" else _OK

    # -- what others read

    def take_news(self) -> list[Alarmed]:
        """The clients that came into alarm since this was asked last, with their examples as they are now."""
        news, self._news = self._news, []
        return [
            Alarmed(client, level, families, account.in_alarm, tuple(account.examples), time)
            for client, account, level, families, time in news
        ]

    def names(self) -> Names[str]:
        """The clients that are held."""
        return self._accounts.keys()

    def level(self, client: str, now: float) -> str:
        """The level of a client at this time; ok for one that is not known."""
        account = self._accounts.get(client)
        return "ok" if account is None else level_of(ratios(account.sums_at(now)))

    def clients(self, now: float) -> list[ClientView]:
        """All clients that are held, the most suspicious first."""
        return self.views([name for _, name in self.board.ranked(now, "ok")], now)

    def views(self, names: Sequence[str], now: float) -> list[ClientView]:
        """These clients, in this order; those that are not held are left out."""
        queries = np.array([account.queries for account in self._accounts.values()])
        volumes = dict(zip(self._accounts, shares_below(queries).tolist(), strict=True))
        clusters: defaultdict[str, list[int]] = defaultdict(list)
        for cluster in self._clusters.in_alarm():
            for name in cluster.accounts:
                clusters[name].append(cluster.id)
        return [self._view(name, now, volumes[name], clusters[name]) for name in names if name in volumes]

    def client(self, name: str, now: float) -> ClientView | None:
        """One client, if it is held."""
        found = self.views([name], now)
        return found[0] if found else None

    def _view(self, name: str, now: float, volume: float, clusters: Sequence[int]) -> ClientView:
        account = self._accounts[name]
        sums = account.sums_at(now)
        families = ratios(sums)
        return ClientView(
            client=name,
            level=level_of(families),
            suspicion=max(families.values()),
            families=families,
            bits={bit.name: sums[PLACE[bit.name]] / ALARM for bit in self._active},
            queries=account.queries,
            first=account.first,
            last=account.last,
            evidence=account.evidence,
            volume=volume,
            coverage=coverage(len(account.classes), len(self._classes)),
            examples=tuple(account.examples),
            clusters=tuple(clusters),
        )

    def levels(self, now: float, within: float = 3600.0) -> dict[str, int]:
        """Clients that sent something within so many seconds, by level; every level is there."""
        return self.board.levels(now, within)

    def clusters_in_alarm(self, now: float, within: float) -> Counter[str]:
        """Clusters in alarm to which something came within so many seconds, by whose queries they hold.

        One that speaks against none of its clients, because what it holds is natural here, is not counted.
        """
        counts: Counter[str] = Counter()
        suspected = {held.client for held in self.board.alarms(now)}
        for cluster in self._clusters.in_alarm():
            if now - cluster.last > within:
                break  # all others were silent for longer
            if not cluster.accounts or not suspected.isdisjoint(cluster.accounts):
                counts[ACCOUNTS[min(len(cluster.accounts), 2)]] += 1
        return counts

    def clusters(self) -> list[ClusterView]:
        """The clusters in alarm, the latest first."""
        return [cluster_view(cluster) for cluster in self._clusters.in_alarm()]

    def bits(self) -> list[BitView]:
        """All evidence bits, with their rates and what is off here."""
        natural = self.natural
        return [
            BitView(
                name=bit.name,
                family=bit.family,
                in_profile=bit.name in self.profile.bits,
                p0=self._natural_rate(bit) if natural else bit.p0,
                p1=bit.p1,
                off=natural.off.get(bit.name) or self._peers.off.get(bit.name, "") if natural else "",
            )
            for bit in BITS
        ]

    def suggestions(self) -> list[Suggestion]:
        """Queries that may belong on the allow-list."""
        return [Suggestion(client, interval, id_) for client, interval, id_ in self._suggestions.values()]

    def window_queries(self) -> int:
        """Queries that a new one is compared with."""
        return len(self._repeats) if self._history is None else len(self._history)

    @property
    def nbytes(self) -> int:
        """Memory of the windows, about, in bytes."""
        reach = self.natural.reach if self.natural is not None else None
        arrays = sum(part.nbytes for part in (self._history, self._index, reach) if part is not None)
        shapes = sum(one.nbytes for one in self._growing.values())
        return arrays + shapes + 400 * len(self._repeats) + 1_500 * len(self._accounts) + 400 * len(self._clusters)

    def erase(self, client: str) -> bool:
        """Forget a client; whether there was anything to forget."""
        self._drop_shape(client)
        self._clusters.erase(client)
        self._entries.begin_anew()  # so that nothing of it stays on the disk
        self._repeats.erase(client)
        self._suggestions = {key: found for key, found in self._suggestions.items() if found[0] != client}
        self.board.forget(client)
        self._changed["accounts"].note(client)
        return self._accounts.pop(client, None) is not None

    def dismiss(self, client: str) -> tuple[str, ...]:
        """Take all evidence off a client that was no attacker; the families that were in alarm."""
        account = self._accounts.get(client)
        if account is None:
            return ()
        families, account.in_alarm = account.in_alarm, ()
        account.sums = [0.0] * len(BITS)
        self._changed["accounts"].note(client)
        self._drop_shape(client)
        self.board.forget(client)
        self.board.suspect(client, ratios(account.sums), account.last)
        self.dismissed.update(families)
        return families

    def count_anew(self) -> None:
        """All counts at 0; what is known of clients stays."""
        for counts in (self.alarms, self.dismissed):
            for family in FAMILIES:
                counts[family] = 0

    # -- what goes on after a restart

    def dump_state(self) -> dict[str, Any]:
        """What later verdicts depend on, but rows and entries, as plain values; small, and no secret."""
        history = self._history
        return {
            "format": FORMAT,
            "profile": self.settings.profile,
            "now": float(self._now),
            "number": self._number,
            "peers": self._peers.dump(),
            "turn": self._turn,
            "entries": self._entries.dump(),
            "clusters": self._clusters.dump(),
            "history": None if history is None else history.dump(),
            "index": None if self._index is None else self._index.dump(),
            "classes": sorted(self._classes),
            "alarms": dict(self.alarms),
            "dismissed": dict(self.dismissed),
            "board": self.board.dump(),
            "without_client": self.without_client,
            "suggestions": [[key, *found] for key, found in self._suggestions.items()],
        }

    def load_state(self, state: Mapping[str, Any], read_rows: RowReader | None = None) -> None:
        """Go on where the model that gave this state stood.

        read_rows: reads rows and entries. Raises ValueError in words when the state does not fit; then it is as at
        the start. A state of another profile keeps what is natural, and nothing else.
        """
        self.restart_warm_up()
        try:
            check_same(state, format=FORMAT)
            with in_words():
                self._load(state, read_rows)
        except Exception:
            self.restart_warm_up()
            raise

    def _load(self, state: Mapping[str, Any], read_rows: RowReader | None) -> None:
        entries = self._entries.load(state["entries"], read_rows)
        if entries["natural"]:
            self.natural = Natural.load(entries["natural"][0], self.secret)
            self._prepare()
        if state["profile"] != self.settings.profile:
            self._entries.begin_anew()
            return
        waiting = [entries["first"][place] for place in range(len(entries["first"]))]
        self._first, self._first_times = [first.read(fields) for _, fields in waiting], [time for time, _ in waiting]
        self._now, self._number, self._turn = float(state["now"]), int(state["number"]), int(state["turn"])
        self._peers = Peers.load(state["peers"])
        if self.natural is not None:
            self._set_steps()
        self._repeats.load(entries["repeats"])
        self._clusters.load(state["clusters"], entries["clusters"], read_rows)
        if state["history"] is not None and self._history is not None and self._index is not None:
            self._history.load(state["history"], read_rows)
            self._index.load(state["index"], read_rows)
        self._load_clients(state, entries)
        self._entries.is_written()

    def _load_clients(self, state: Mapping[str, Any], entries: Mapping[str, Values]) -> None:
        accounts = {name: Account.load(kept) for name, kept in entries["accounts"].items()}
        self._accounts.update(sorted(accounts.items(), key=lambda item: item[1].turn))
        points: defaultdict[str, dict[tuple[int, int], Any]] = defaultdict(dict)
        for (client, label, place), point in entries["points"].items():
            points[client][label, place] = point
        shapes = {name: Growing.load(kept, points[name]) for name, kept in entries["growing"].items()}
        self._growing.update(sorted(shapes.items(), key=lambda item: item[1].turn))
        self._classes = set(state["classes"])
        for counts, kept in ((self.alarms, state["alarms"]), (self.dismissed, state["dismissed"])):
            counts.update({family: int(kept.get(family, 0)) - counts[family] for family in FAMILIES})
        self.board.load(state["board"], entries["held"])
        for name, account in self._accounts.items():
            self.board.suspect(name, ratios(account.sums), account.last)
        self.without_client = int(state["without_client"])
        self._suggestions = {key: (client, interval, id_) for key, client, interval, id_ in state["suggestions"]}

    # -- entries: what a snapshot refers to as it was written down when it changed

    def tidy(self) -> None:
        """Write all entries down anew where too many are outdated, or some must go: before a snapshot is taken."""
        self._entries.tidy()

    def write_down(self, most: int) -> bool:
        """Write down at most so many entries that changed; whether there may be more."""
        return self._entries.write_down(most)

    def _natural_entry(self, key: int) -> Any:
        return None if self.natural is None else self.natural.dump()

    def _first_entry(self, place: int) -> Any:
        return [self._first_times[place], first.plain(self._first[place])] if place < len(self._first) else None

    def _account_entry(self, client: str) -> Any:
        account = self._accounts.get(client)
        return None if account is None else account.dump()

    def _growing_entry(self, client: str) -> Any:
        growing = self._growing.get(client)
        return None if growing is None else growing.dump()

    def _point_keys(self) -> Iterator[tuple[str, int, int]]:
        for client, growing in self._growing.items():
            yield from ((client, *place) for place in growing.places())

    def _point_entry(self, key: tuple[str, int, int]) -> Any:
        client, label, place = key
        growing = self._growing.get(client)
        return None if growing is None else growing.point(label, place)

    def _parts(self) -> Iterator[Any]:
        """What has rows."""
        yield from (part for part in (self._history, self._index, self._clusters, self._entries) if part is not None)

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

    # -- bounds

    def _forget(self) -> None:
        if self._history is not None:
            self._history.forget(self._now)
        self._clusters.advance(self._number)

    def _let_go(self, now: float, newest: str) -> None:
        """Let go of clients: the least suspicious, and of these the ones that were silent longest."""

        def worth(item: tuple[str, Account]) -> tuple[float, float]:
            return max(item[1].sums_at(now)), item[1].last

        for client, _ in sorted(self._accounts.items(), key=worth)[:LEAVING]:
            if client != newest:
                del self._accounts[client]
                self._changed["accounts"].note(client)
                self._drop_shape(client)
                self.board.forget(client)

    # -- contents

    def _contents(self, queries: Sequence[Query]) -> Contents:
        """Inputs that can be read, their content keys, and their places; allowed templates are cut out of texts."""
        unfit = inputs.unfit([query.input_data for query in queries], inputs.KINDS)
        places = [place for place in range(len(queries)) if place not in unfit]
        while True:
            values = [self._without_templates(queries[place].input_data) for place in places]
            try:
                return values, content_keys(values, self._salt), places
            except InvalidQuery as error:  # one that cannot be read must not take the others along
                del places[error.index or 0]

    def _without_templates(self, value: Any) -> Any:
        if self.settings.templates and isinstance(value, str):
            for template in self.settings.templates:
                value = value.replace(template, " ")
        return value


def _taken(queries: Sequence[Query], times: Sequence[float], places: Sequence[int]) -> tuple[list[Query], list[float]]:
    return [queries[place] for place in places], [times[place] for place in places]


def _cluster_step(account: Account) -> float:
    """What one query in a cluster in alarm adds: more where the account does little else; one is no alarm."""
    return CLUSTER_STEP + LONE_STEP * min(account.related / max(account.queries, 1), 1.0)


def _clients(seen: Seen) -> str:
    count = len(seen.clients)
    return "nobody known" if not count else "one client" if count == 1 else f"{count} clients"


def _told(cluster: Cluster) -> str:
    accounts = len(cluster.accounts)
    words = f"one of {cluster.near + cluster.repeats} variants of one query"
    if cluster.reason == "label_changes":
        words += f", between which the answer changed {cluster.changes} times"
    return words + (f", from {accounts} clients" if accounts > 1 else "")


def _slots(max_bytes: int) -> int:
    """Slots of the index in a quarter of the memory: a power of two."""
    return max(1 << 14, 1 << int(np.log2(max(max_bytes // 4 // 12, 1))))


_OK = Verdict("ok")
#: evidence that a query has in common with what it follows from
_SHARED = frozenset({"low_confidence", "out_of_distribution"})
