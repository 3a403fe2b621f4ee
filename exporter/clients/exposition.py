"""What is exposed of the clients of one model: metric names without the prefix, values and labels."""

from collections.abc import Callable, Iterable, Iterator

from exporter.clients.bits import FAMILIES
from exporter.clients.board import MOST_ALARMS, Held
from exporter.clients.counts import Counts
from exporter.clients.reader import Reader
from exporter.clients.suspicion import Suspicion
from exporter.clients.views import ACCOUNTS

Line = tuple[str, float, dict[str, str]]


def lines(suspicion: Suspicion, now: float, shown: Callable[[str], str]) -> list[Line]:
    """The samples of one model, without its own label. shown: a client as a label value. now: in the model's time."""
    board, read = suspicion.memory.board, suspicion.read
    return [
        *_alarms(board.alarms(now), shown),
        *_top(board.most_suspicious(now), shown),
        *(("clients", count, {"level": level}) for level, count in read.levels(now).items()),
        *_counts(suspicion.counts),
        *_clusters(read, board.hold, now),
        *_evidence(read),
    ]


def _alarms(alarms: Iterable[Held], shown: Callable[[str], str]) -> Iterator[Line]:
    by_name: dict[str, list[Held]] = {}  # two clients may be shown under one name
    for held in alarms:
        by_name.setdefault(shown(held.client), []).append(held)
    for client, same in list(by_name.items())[:MOST_ALARMS]:
        is_severe = any(held.level == "severe" for held in same)
        yield "client_alarm", 2 if is_severe else 1, {"client": client}
        for family in FAMILIES:
            ratio = max(held.families[family] for held in same)
            yield "client_evidence_ratio", ratio, {"client": client, "family": family}
    yield "client_alarms_hidden", max(len(by_name) - MOST_ALARMS, 0), {}


def _top(clients: Iterable[tuple[str, float]], shown: Callable[[str], str]) -> Iterator[Line]:
    strongest: dict[str, float] = {}
    for client, suspicion in clients:
        name = shown(client)
        strongest[name] = max(suspicion, strongest.get(name, 0.0))
    for name, suspicion in strongest.items():
        yield "client_suspicion_ratio", suspicion, {"client": name}


def _counts(counts: Counts) -> Iterator[Line]:
    for family in FAMILIES:
        yield "client_alarms_total", counts.alarms[family], {"family": family}
        yield "client_dismissals_total", counts.dismissed[family], {"family": family}


def _clusters(read: Reader, hold: float, now: float) -> Iterator[Line]:
    counts = read.clusters_in_alarm(now, hold)
    for accounts in ACCOUNTS:
        yield "query_clusters", counts[accounts], {"accounts": accounts}


def _evidence(read: Reader) -> Iterator[Line]:
    warm_up = read.warm_up_ratio()
    for bit in read.bits():
        if bit.in_profile:
            yield "warm_up_ratio", warm_up, {"detector": bit.name}
            yield "evidence_off", bool(bit.off), {"detector": bit.name}
    yield "detector_window_queries", read.window_queries(), {"detector": "clients"}
