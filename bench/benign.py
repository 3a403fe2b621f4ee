"""False alarms on long ordinary traffic; the first 200 queries are the warm-up: `python -m bench.benign [SEED]`.

Tables of 2 to 6 features (normal, heavy-tailed, small whole numbers, categories), texts from templates and of words by
Zipf's law, and digits with noise, of which a tenth are repeats. Nobody attacks: every alarm is a false one.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.row import Row
from detectors import Query
from exporter.clients import Suspicion
from exporter.config import Clients

ALARM = ("alarm", "severe")
CLIENTS, PROFILES = (1, 5, 40), ("default", "stream")
#: queries of a stream, and of the long ones
QUERIES, LONG = 12_000, 50_000
#: queries between two of which one client asked, on average: ten a second
PACE = 0.1
Make = Callable[[int, np.random.Generator], list[Any]]


class Result(NamedTuple):
    """What became of one stream. share: of its queries that came while their client was in alarm. off: bits."""

    share: float
    alarmed: int
    clients: int
    off: tuple[str, ...]


# -- data


def plane(count: int, random: np.random.Generator) -> list[Any]:
    """Two normal features."""
    return random.normal(0, 1, (count, 2)).tolist()


def payments(count: int, random: np.random.Generator) -> list[Any]:
    """Three features: an amount with a heavy tail, a waiting time, an age in years."""
    amounts = random.lognormal(3.5, 1.4, count).round(2)
    waits, ages = random.exponential(40, count).round(1), random.integers(18, 80, count)
    names = ("amount", "wait", "age")
    return [
        dict(zip(names, row, strict=True)) for row in zip(amounts.tolist(), waits.tolist(), ages.tolist(), strict=True)
    ]


def categories(count: int, random: np.random.Generator) -> list[Any]:
    """Four features, none with many values: 6 x 4 x 24 x 3 rows in all."""
    kinds = random.choice(["grocery", "fuel", "books", "travel", "pharmacy", "games"], count).tolist()
    places = random.choice(["north", "south", "east", "west"], count).tolist()
    hours, cards = random.integers(0, 24, count).tolist(), random.integers(1, 4, count).tolist()
    names = ("kind", "place", "hour", "cards")
    return [dict(zip(names, row, strict=True)) for row in zip(kinds, places, hours, cards, strict=True)]


def mixture(count: int, random: np.random.Generator) -> list[Any]:
    """Six features, of which two are related and one has a heavy tail (Pareto)."""
    size = random.normal(0, 1, count)
    columns = (
        size.round(3).tolist(),
        (0.9 * size + 0.2 * random.normal(0, 1, count)).round(3).tolist(),
        random.pareto(2.0, count).round(3).tolist(),
        random.choice(["web", "app", "shop"], count, p=(0.7, 0.25, 0.05)).tolist(),
        random.integers(0, 7, count).tolist(),
        random.uniform(0, 1, count).round(2).tolist(),
    )
    return [dict(zip("abcdef", row, strict=True)) for row in zip(*columns, strict=True)]


def templates(count: int, random: np.random.Generator) -> list[Any]:
    """Texts of four parts, each of some dozen sentences, and a number of five figures."""
    words = _words(600, random)
    parts = [[" ".join(random.choice(words, 9)) for _ in range(size)] for size in (8, 16, 8, 8)]
    texts = []
    for _ in range(count):
        opening, subject, detail, closing = (part[random.integers(len(part))] for part in parts)
        texts.append(f"{opening}, {subject}. {detail} {random.integers(10_000, 100_000)}. {closing}?")
    return texts


def zipf(count: int, random: np.random.Generator) -> list[Any]:
    """Texts of 6 to 30 words out of 20,000, the n-th of which is n times as rare as the first."""
    words, ranks = _words(20_000, random), np.arange(1, 20_001)
    cumulated = np.cumsum(1 / ranks) / np.sum(1 / ranks)
    lengths = random.integers(6, 31, count)
    drawn = words[np.searchsorted(cumulated, random.random(int(lengths.sum())))]
    return [" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])]


def _words(count: int, random: np.random.Generator) -> np.ndarray:
    letters = random.integers(97, 123, (count, 10), dtype=np.uint8)
    lengths = random.integers(3, 11, count)
    return np.array([row[:length].tobytes().decode() for row, length in zip(letters, lengths.tolist(), strict=True)])


def digits(count: int, random: np.random.Generator) -> list[Any]:
    """Digits moved by at most a pixel, with noise; a tenth repeat one of the last 200."""
    from sklearn.datasets import load_digits

    pictures = load_digits().images / 16
    found: list[Any] = []
    for place in random.integers(0, len(pictures), count).tolist():
        if len(found) > 200 and random.random() < 0.1:
            found.append(found[-int(random.integers(1, 201))])
            continue
        moved = np.roll(pictures[place], random.integers(-1, 2, 2), axis=(0, 1))
        found.append(np.clip(moved + random.normal(0, 0.08, moved.shape), 0, 1).astype(np.float32))
    return found


DATA: dict[str, Make] = {
    "2 features": plane,
    "3 features, heavy tails": payments,
    "4 features, categories": categories,
    "6 features, mixed": mixture,
    "texts from templates": templates,
    "texts by Zipf": zipf,
    "digits with repeats": digits,
}


# -- measuring


def stream(make: Make, count: int, clients: int, seed: int) -> list[Query]:
    """Queries with answers that are mostly sure; clients differ in how much they ask."""
    random = np.random.default_rng(seed)
    values = make(count, random)
    weights = random.gamma(3.0, 1.0, clients)
    names = random.choice(clients, count, p=weights / weights.sum()).tolist()
    doubts = random.beta(1, 6, count).tolist()
    return [
        Query(value, [1 - doubt, doubt], client=f"user-{name}", timestamp=1.7e9 + PACE * place)
        for place, (value, name, doubt) in enumerate(zip(values, names, doubts, strict=True))
    ]


def judged(queries: Sequence[Query], profile: str) -> Result:
    """One stream through a model that learns from its first queries."""
    model = Suspicion(Clients(profile=profile), 7)  # type: ignore[arg-type]
    verdicts = model.observe(queries, [query.timestamp for query in queries])
    alarmed = [query.client for query, verdict in zip(queries, verdicts, strict=True) if verdict.level in ALARM]
    off = tuple(bit.name for bit in model.read.bits() if bit.in_profile and bit.off)
    return Result(len(alarmed) / len(queries), len(set(alarmed)), len({query.client for query in queries}), off)


def results(seed: int = 0) -> Iterator[tuple[str, int, int, str, Result]]:
    """Data, queries, clients, profile, and what became of it."""
    for name, make in DATA.items():
        for clients in CLIENTS:
            count = LONG if clients == 5 else QUERIES
            queries = stream(make, count, clients, seed)
            for profile in PROFILES:
                yield name, count, clients, profile, judged(queries, profile)


def rows(seed: int = 0) -> list[Row]:
    """By profile and number of clients: the shares of clients alarmed and of queries in alarm, over all data."""
    found = list(results(seed))
    table = []
    for profile in PROFILES:
        for clients in CLIENTS:
            part = [result for _, _, many, which, result in found if (many, which) == (clients, profile)]
            name = f"long benign, {profile}, {clients} clients each"
            alarmed = 100 * sum(one.alarmed for one in part) / sum(one.clients for one in part)
            table.append(Row(f"{name}, alarmed", alarmed, "%", target=1.0))
            table.append(
                Row(f"{name}, queries in alarm", 100 * sum(one.share for one in part) / len(part), "%", target=0.1)
            )
    return table


def main() -> None:
    """Measure and print; the seed may be given."""
    for name, count, clients, profile, found in results(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        told = f"{found.alarmed:3}/{found.clients:<3} clients, {found.share:7.3%} of queries"
        print(f"{name:24} {count:6} {clients:3} {profile:8} {told}  off: {', '.join(found.off) or '-'}", flush=True)


if __name__ == "__main__":
    main()
