"""How often each kind of evidence is natural by now."""

import math
from statistics import median

import numpy as np
import pytest

from exporter.clients.account import Account
from exporter.clients.bits import BITS, PLACE, steps
from exporter.clients.peers import CALM_QUERIES, CLIENT_QUERIES, ESTABLISHED, FEWEST, MOST, Peers

UNSURE, NEAR, REPEAT = (PLACE[name] for name in ("low_confidence", "near_distance", "exact_repeat"))


def account(queries: int, **rates: float) -> Account:
    made = Account(0.0)
    made.queries = queries
    for name, rate in rates.items():
        made.rates[PLACE[name]] = rate
    return made


def slow(bit: int, accounts: list[Account]) -> float:
    """The median rate of those with enough queries, and two standard errors, at least the default."""
    established = [one for one in accounts[:MOST] if one.queries >= ESTABLISHED]
    rate = median([one.rates[bit] for one in established])
    queries = sum(min(one.queries, CLIENT_QUERIES) for one in established)
    return max(BITS[bit].p0, rate + 2 * math.sqrt(rate * (1 - rate) / queries))


def test_the_rate_is_the_median_over_established_clients_and_two_standard_errors() -> None:
    random = np.random.default_rng(1)
    accounts = [
        account(int(queries), low_confidence=float(a), near_distance=float(b))
        for queries, a, b in zip(random.integers(1, 200, 700), random.random(700) / 4, random.random(700), strict=True)
    ]
    peers = Peers({})
    peers.look(accounts)
    for bit in (UNSURE, NEAR, REPEAT):
        assert peers.rates[bit] == pytest.approx(slow(bit, accounts))


def test_what_most_clients_do_is_off_and_says_why() -> None:
    peers = Peers({})
    peers.look([account(30, near_distance=0.6) for _ in range(FEWEST)])
    assert peers.off == {"near_distance": "set for 60% of the queries of most clients"}


def test_one_client_among_many_moves_nothing_however_much_it_sends() -> None:
    peers = Peers({})
    peers.look([account(10**6, near_distance=1.0), *(account(30) for _ in range(FEWEST - 1))])
    assert not peers.off
    assert peers.rates[NEAR] == BITS[NEAR].p0


def test_accounts_with_a_few_queries_have_no_voice() -> None:
    peers = Peers({})
    peers.look([account(3, near_distance=1.0) for _ in range(40)] + [account(30) for _ in range(FEWEST)])
    assert peers.rates[NEAR] == BITS[NEAR].p0
    peers.look([account(ESTABLISHED - 1, near_distance=1.0) for _ in range(40)])
    assert peers.rates[NEAR] == BITS[NEAR].p0


def test_without_enough_clients_repeats_and_nearness_follow_the_calm_queries_and_nothing_else_does() -> None:
    peers = Peers({"exact_repeat": 0.1})
    for _ in range(3 * CALM_QUERIES):
        for bit in range(len(BITS)):
            peers.note_calm(bit, True)
    peers.look([account(1000, low_confidence=0.9)])
    assert set(peers.off) == {"exact_repeat", "near_distance", "revisit"}
    assert peers.rates[UNSURE] == BITS[UNSURE].p0


def test_a_dozen_queries_of_an_attack_do_not_move_the_calm_rate_far() -> None:
    peers = Peers({"exact_repeat": 0.0})
    for _ in range(12):
        peers.note_calm(REPEAT, True)
    peers.look([])
    assert peers.rates[REPEAT] < 0.1


def test_it_goes_on_after_a_dump() -> None:
    peers = Peers({"revisit": 0.3})
    peers.look([account(30, near_distance=0.6) for _ in range(FEWEST)])
    again = Peers.load(peers.dump())
    assert (again.rates, again.off, again.calm) == (peers.rates, peers.off, peers.calm)


def run_length(rate: float, p0: float, p1: float) -> float:
    """The mean number of queries until a sum reaches 12, where each has the evidence at this rate: a Markov chain."""
    up, down = steps(p0, p1)
    cells, limit = 600, 12.0
    grid = np.linspace(0, limit, cells, endpoint=False)
    moves = np.eye(cells)
    for step, chance in ((up, rate), (down, 1 - rate)):
        # rounded up: alarms here come rather too early
        places = np.ceil(np.maximum(grid + step, 0) / limit * cells - 1e-9).astype(int)
        inside = places < cells
        moves[np.flatnonzero(inside), places[inside]] -= chance
    return float(np.linalg.solve(moves, np.ones(cells))[0])


@pytest.mark.parametrize("bit", [bit for bit in BITS if bit.name not in ("cluster", "distance_shape")])
def test_a_client_at_the_natural_rate_itself_has_an_alarm_hardly_once_in_a_hundred_thousand_queries(bit) -> None:
    for p0 in (bit.p0, 0.1, 0.2):
        assert run_length(p0, max(p0, bit.p0), bit.p1) > 100_000
        assert run_length(0.7 * p0, max(p0, bit.p0), bit.p1) > 1_000_000


def test_before_a_look_and_without_clients_nothing_but_what_the_warm_up_saw_is_natural() -> None:
    peers = Peers({})
    assert peers.rates == [0.0] * len(BITS)
    peers.look([])
    assert peers.rates == [bit.p0 for bit in BITS]
    assert not peers.off


def test_a_client_is_established_from_its_twentieth_query_and_five_are_enough() -> None:
    peers = Peers({})
    peers.look([account(ESTABLISHED, low_confidence=0.2) for _ in range(FEWEST)])
    assert peers.rates[UNSURE] == pytest.approx(slow(UNSURE, [account(ESTABLISHED, low_confidence=0.2)] * FEWEST))
    assert peers.rates[UNSURE] > 0.2
