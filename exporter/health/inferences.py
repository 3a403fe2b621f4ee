"""What is counted of the inferences of one model, from its queries and from samples.

Everything here is a pure function of what the journal holds, so that a restart goes on exactly: sums are whole
numbers (nanoseconds, millionths of a millionth of a dollar), which come out the same however queries are batched.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from detectors import Query
from exporter.config import Objectives, Prices, ResolvedModel, Thresholds
from exporter.formats.inference import Sample
from exporter.health.clients import Heaviest
from exporter.health.failures import CLIENT_FAULTS, REASONS, reason
from exporter.health.gauges import PushedGauge
from exporter.health.requests import COST, ERROR, FIRST_TOKEN, LATENCY, TOKENS, Known, RequestIds

#: upper bounds in seconds of the buckets of durations
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
RESOURCES = ("gpu_memory", "cpu_usage", "memory_usage")
GAUGES = (*RESOURCES, "error_rate", "throughput")
SLOS = ("availability", "latency")
NANOSECONDS, PICODOLLARS = 10**9, 10**12
#: no latency or cost of one query counts for more; a query may carry any number
MOST = 1e6
_BOUNDS = np.array(BUCKETS)
#: what a sample was: an inference, more of one that its query had counted, or the same again
Counted = Literal["new", "joined", "again"]
#: new latencies that are kept for whoever asks: more than a batch has, and no more where nobody asks
NEW_LATENCIES = 4_096


class Growth(NamedTuple):
    """What was counted of a model between two looks. latencies: seconds; tokens: input and output."""

    queries: int
    errors: int
    latencies: Sequence[float]
    tokens: tuple[int, int]
    cost_dollars: float


class Durations:
    """A histogram: counts by bucket, +Inf last, and the sum in nanoseconds."""

    __slots__ = ("counts", "nanoseconds")

    def __init__(self, counts: Sequence[int] = (0,) * (len(BUCKETS) + 1), nanoseconds: int | str = 0) -> None:
        self.counts, self.nanoseconds = list(counts), int(nanoseconds)

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.nanoseconds += round(min(seconds, MOST) * NANOSECONDS)

    def observe_all(self, seconds: np.ndarray) -> None:
        """Count float64 (n,), none below 0."""
        found = np.bincount(np.searchsorted(_BOUNDS, seconds, side="left"), minlength=len(self.counts))
        self.counts = (np.array(self.counts) + found).tolist()
        # a batch holds a thousand at most: 10^6 s each stay below 2^63 ns
        self.nanoseconds += int(np.rint(np.minimum(seconds, MOST) * NANOSECONDS).astype(np.int64).sum())

    def copy(self) -> "Durations":
        """The same, on its own."""
        return Durations(self.counts, self.nanoseconds)

    def dump(self) -> dict[str, Any]:
        """What it is made from again."""
        return {"counts": list(self.counts), "nanoseconds": str(self.nanoseconds)}

    @property
    def seconds(self) -> float:
        """The sum."""
        return self.nanoseconds / NANOSECONDS


class Inferences:
    """The inferences of one model. `config` says what they cost and what is too slow."""

    def __init__(self, config: ResolvedModel, previous: "Inferences | None" = None) -> None:
        self.name = config.name
        self.prices: Prices = config.prices
        self.thresholds: Thresholds | None = config.thresholds
        self._has_prices = any(msgspec.structs.astuple(config.prices))
        self.objectives: Objectives = config.objectives
        self.gauges = {name: PushedGauge() for name in GAUGES}
        #: by the number of their queries, and by dollars
        self.busiest, self.dearest = Heaviest(), Heaviest()
        #: when the last sample came, seconds since 1970
        self.last_sample = 0.0
        #: what `take_growth` has told of, and the latencies that it has not
        self._told: tuple[int, ...] = ()
        self._new_latencies: deque[float] = deque(maxlen=NEW_LATENCIES)
        self.count_anew()
        if previous is not None:
            self.busiest, self.dearest = previous.busiest, previous.dearest
            self.load(previous.dump())

    # -- queries

    def count_queries(self, queries: Sequence[Query], requests: RequestIds, now: float) -> None:
        """Count queries, in order. Those with the id of a sample add only what it did not say."""
        carrying = [
            query
            for query in queries
            if query.latency_seconds is not None
            or query.error is not None
            or query.tokens is not None
            or query.cost_dollars is not None
        ]
        if requests.has_samples(self.name):
            queries, carrying = self._without_joined(queries, carrying, requests, now)
        said = dict.fromkeys([query.id for query in queries if query.id is not None], 0)
        self._count_new(len(queries))
        if carrying:
            self._count_carrying(carrying, now)
            said |= {query.id: _said(query) for query in carrying if query.id is not None}
        if said:
            requests.add_queries(self.name, said)

    def _without_joined(
        self, queries: Sequence[Query], carrying: Collection[Query], requests: RequestIds, now: float
    ) -> tuple[Sequence[Query], list[Query]]:
        """Count the queries that belong to a sample, and leave them out."""
        joined = {}
        for query in queries:
            if query.id is not None and (counted := requests.join_query(self.name, query)) is not None:
                joined[id(query)] = query
                self._count_one(_of_query(query), counted, now)
        if not joined:
            return queries, list(carrying)
        rest = [query for query in queries if id(query) not in joined]
        return rest, [query for query in carrying if id(query) not in joined]

    def _count_new(self, number: int) -> None:
        """Inferences that were not known before, as far as nothing else is known of them."""
        self.inferences += number
        self.slo_events["availability"] += number
        if self.prices.request:
            self.picodollars += number * round(self.prices.request * PICODOLLARS)

    def _count_carrying(self, queries: Sequence[Query], now: float) -> None:
        """What new queries say of latency, error, tokens and cost."""
        latencies = [query.latency_seconds for query in queries if query.latency_seconds is not None]
        if latencies:
            self._count_latencies(np.array(latencies, np.float64))
            self._new_latencies.extend(latencies)
        for query in queries:
            if query.error:
                self._count_error(query.error)
            if query.tokens is not None:
                self.input_tokens += query.tokens.get("input", 0)
                self.output_tokens += query.tokens.get("output", 0)
            if query.metadata and (waited := first_token_of(query)) is not None:
                self.first_tokens.observe(waited)
        self._charge(queries, now)

    def _charge(self, queries: Sequence[Query], now: float) -> None:
        """What new queries cost besides the price of a request: what they say, else by the prices."""
        request = round(self.prices.request * PICODOLLARS)
        by_client = []
        if not self._has_prices:  # then only what is told costs anything
            queries = [query for query in queries if query.cost_dollars is not None]
        for query in queries:
            cost = self._cost(query)
            self.picodollars += cost - request
            if cost and query.client is not None:
                by_client.append((query.client, cost / PICODOLLARS))
        if by_client:
            self.dearest.add(by_client, now)

    def _cost(self, query: Query) -> int:
        if query.cost_dollars is not None:
            return round(min(query.cost_dollars, MOST) * PICODOLLARS)
        return round(self.prices.request * PICODOLLARS) + self._priced(query.tokens, query.latency_seconds)

    def dollars_of(self, query: Query) -> float | None:
        """What a query costs by itself: what it says, else by the prices; None where there are none."""
        return self._cost(query) / PICODOLLARS if self._has_prices or query.cost_dollars is not None else None

    def _priced(self, tokens: Mapping[str, int] | None, gpu_seconds: float | None) -> int:
        price, cost = self.prices, 0.0
        if tokens is not None:
            cost += tokens.get("input", 0) * price.input_token + tokens.get("output", 0) * price.output_token
        if gpu_seconds is not None:
            cost += min(gpu_seconds, MOST) * price.gpu_second
        return round(cost * PICODOLLARS)

    def _count_latencies(self, seconds: np.ndarray) -> None:
        self.durations.observe_all(seconds)
        if self.thresholds is not None:
            self.slo_events["latency"] += len(seconds)
            self.slo_bad["latency"] += int(np.count_nonzero(seconds > self.thresholds.latency))

    def _count_error(self, error: str) -> None:
        why = reason(error)
        self.failures[why] += 1
        self.slo_bad["availability"] += why not in CLIENT_FAULTS

    # -- samples

    def count_sample(self, sample: Sample, sender: str, requests: RequestIds, now: float) -> Counted:
        """Count a sample: as an inference, or what the query with its id did not say; a retry only moves gauges."""
        self.last_sample = now
        self._push(sample, sender, now)
        before = requests.find_sample(self.name, sample.request_id)
        if before is not None and before.latency == sample.latency:
            return "again"
        measured = _of_sample(sample)
        counted = requests.join_sample(self.name, sample.request_id)
        known = Known(sample.latency, measured.said, counted is not None)
        if counted is None:
            self._count_new(1)
            if sample.client:
                self.busiest.add([(sample.client, 1)], now)
        self._count_one(measured, counted or 0, now, is_new=counted is None)
        requests.add_sample(self.name, sample.request_id, known)
        return "new" if counted is None else "joined"

    def _push(self, sample: Sample, sender: str, now: float) -> None:
        instance = sample.pushed_by or sender
        if sample.error_rate is not None:
            self.gauges["error_rate"].push(instance, sample.error_rate, now)
        if sample.throughput is not None:
            self.gauges["throughput"].push(instance, sample.throughput, now)
        if sample.resource_usage is not None:
            for name in RESOURCES:
                value = getattr(sample.resource_usage, name)
                if value is not None:
                    self.gauges[name].push(instance, value, now)

    def _count_one(self, measured: "Measured", counted: int, now: float, is_new: bool = False) -> None:
        """What one sample or query says of an inference, without what was counted of it already."""
        new = measured.said & ~counted
        if new & LATENCY:
            assert measured.latency is not None
            self.durations.observe(measured.latency)
            self._new_latencies.append(measured.latency)
            if self.thresholds is not None:
                self.slo_events["latency"] += 1
                self.slo_bad["latency"] += measured.latency > self.thresholds.latency
        if new & ERROR:
            self._count_error(measured.error or "")
        if new & TOKENS and measured.tokens is not None:
            self.input_tokens += measured.tokens.get("input", 0)
            self.output_tokens += measured.tokens.get("output", 0)
        if new & FIRST_TOKEN and measured.first_token is not None:
            self.first_tokens.observe(measured.first_token)
        self._charge_one(measured, counted, new, now, is_new)

    def _charge_one(self, measured: "Measured", counted: int, new: int, now: float, is_new: bool) -> None:
        """What an inference costs more than was charged for it; never less: the counter cannot go back."""
        charged = round(self.prices.request * PICODOLLARS)
        request = charged if is_new else 0
        cost = 0
        if new & COST and (is_new or not self._has_prices or not counted & (LATENCY | TOKENS)):
            cost = round(min(measured.cost or 0.0, MOST) * PICODOLLARS) - charged
            cost = cost if is_new else max(cost, 0)
        elif not counted & COST:
            tokens = measured.tokens if new & TOKENS else None
            cost = self._priced(tokens, measured.gpu_seconds if new & LATENCY else None)
        self.picodollars += cost
        if measured.client and cost + request > 0:
            self.dearest.add([(measured.client, (cost + request) / PICODOLLARS)], now)

    # -- for the history

    def take_growth(self) -> Growth:
        """What was counted since the last time: the same that the metrics say, so that both agree."""
        before, self._told = self._told, self._sums()
        inferences, failures, tokens_in, tokens_out, picodollars = (
            after - told for after, told in zip(self._told, before, strict=True)
        )
        latencies = tuple(self._new_latencies)
        self._new_latencies.clear()
        return Growth(inferences, failures, latencies, (tokens_in, tokens_out), picodollars / PICODOLLARS)

    def _sums(self) -> tuple[int, ...]:
        failures = sum(self.failures.values())
        return self.inferences, failures, self.input_tokens, self.output_tokens, self.picodollars

    # -- over a reload and a restart

    def count_anew(self) -> None:
        """All counts at 0; gauges stay."""
        self.inferences = self.input_tokens = self.output_tokens = self.picodollars = 0
        self.failures = dict.fromkeys(REASONS, 0)
        self.slo_events, self.slo_bad = dict.fromkeys(SLOS, 0), dict.fromkeys(SLOS, 0)
        self.durations, self.first_tokens = Durations(), Durations()
        self._told = self._sums()
        self._new_latencies.clear()

    def dump(self) -> dict[str, Any]:
        """The counts and gauges. Sums as texts: they may be larger than the numbers that can be stored."""
        return {
            **{name: str(getattr(self, name)) for name in _SUMS},
            "durations": self.durations.dump(),
            "first_tokens": self.first_tokens.dump(),
            **{name: dict(getattr(self, name)) for name in _BY_WORD},
            "gauges": {name: gauge.dump() for name, gauge in self.gauges.items()},
            "last_sample": self.last_sample,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a dump."""
        for name in _SUMS:
            setattr(self, name, int(state[name]))
        self.durations, self.first_tokens = (Durations(**state[name]) for name in ("durations", "first_tokens"))
        for name in _BY_WORD:
            setattr(self, name, {**getattr(self, name), **state[name]})
        for name, kept in state.get("gauges", {}).items():  # a snapshot from before has none
            self.gauges[name].load(kept)
        self.last_sample = state.get("last_sample", self.last_sample)
        self._told = self._sums()
        self._new_latencies.clear()

    @property
    def dollars(self) -> float:
        """The cost of all."""
        return self.picodollars / PICODOLLARS

    def histograms(self) -> dict[str, Durations]:
        """Copies by metric. That of first tokens only where any was told: few services do, and it is many series."""
        taken = {"inference_duration_seconds": self.durations.copy()}
        if any(self.first_tokens.counts):
            taken["time_to_first_token_seconds"] = self.first_tokens.copy()
        return taken


_SUMS = ("inferences", "input_tokens", "output_tokens", "picodollars")
_BY_WORD = ("failures", "slo_events", "slo_bad")


class Measured:
    """What is said of one inference: seconds, the error, tokens, dollars; `said` has the bits of what is there."""

    __slots__ = ("client", "cost", "error", "first_token", "gpu_seconds", "latency", "said", "tokens")

    def __init__(
        self,
        latency: float | None,
        error: str | None,
        tokens: Mapping[str, int] | None,
        cost: float | None,
        first_token: float | None,
        gpu_seconds: float | None,
        client: str | None,
    ) -> None:
        self.latency, self.error, self.tokens, self.cost = latency, error, tokens, cost
        self.first_token, self.gpu_seconds, self.client = first_token, gpu_seconds, client
        self.said = (
            (latency is not None) * LATENCY
            | bool(error) * ERROR
            | (tokens is not None) * TOKENS
            | (cost is not None) * COST
            | (first_token is not None) * FIRST_TOKEN
        )


def _of_query(query: Query) -> Measured:
    latency = query.latency_seconds
    waited = first_token_of(query) if query.metadata else None
    return Measured(latency, query.error, query.tokens, query.cost_dollars, waited, latency, query.client)


def _said(query: Query) -> int:
    """The bits of what is there, as of `Measured`: of every query, so without making one."""
    said = 0 if query.latency_seconds is None else LATENCY
    if query.error:
        said |= ERROR
    if query.tokens is not None:
        said |= TOKENS
    if query.cost_dollars is not None:
        said |= COST
    if query.metadata and first_token_of(query) is not None:
        said |= FIRST_TOKEN
    return said


def _of_sample(sample: Sample) -> Measured:
    latency = sample.latency / 1000
    waited = sample.time_to_first_token
    tokens = None if sample.tokens is None else {"input": sample.tokens.input, "output": sample.tokens.output}
    gpu_seconds = latency if sample.gpu_seconds is None else sample.gpu_seconds
    waited = None if waited is None else waited / 1000
    return Measured(latency, sample.error, tokens, sample.cost_dollars, waited, gpu_seconds, sample.client)


def first_token_of(query: Query) -> float | None:
    """Seconds to the first token, from the attribute `time_to_first_token_seconds`; None where it is no such number."""
    value = query.metadata.get("time_to_first_token_seconds")
    return float(value) if isinstance(value, (int, float)) and 0 <= value < MOST else None
