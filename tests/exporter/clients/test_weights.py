"""What each kind of evidence adds, against the likelihood ratios written out."""

import math

import pytest

from exporter.clients.account import Account
from exporter.clients.bits import ALARM, BITS, PLACE, PROFILES, Bit
from exporter.clients.peers import Peers
from exporter.clients.warm_up import Natural
from exporter.clients.weights import FOLLOWING, Weights, cluster_step, rate

LOGARITHMS = [bit for bit in BITS if bit.name not in ("cluster", "distance_shape")]


def natural(off: str = "", **rates: float) -> Natural:
    found = Natural(1, 300)
    found.rates.update(rates)
    found.off = {off: "is of no use"} if off else {}
    return found


def weights(of: Natural, profile: str = "strict", peers: Peers | None = None) -> Weights:
    return Weights(PROFILES[profile], of, peers or Peers({}))


def added(by: Weights, *flags: str, follows: bool = False, related: int = 0) -> dict[str, float]:
    """What a query with these flags adds to an account with ten queries that stands in the middle."""
    account = Account(0.0)
    account.queries, account.related = 10, related
    account.sums = [ALARM] * len(BITS)
    by.add(account, dict.fromkeys(flags, "words"), follows)
    return {bit.name: total - ALARM for bit, total in zip(BITS, account.sums, strict=True)}


@pytest.mark.parametrize("bit", LOGARITHMS, ids=lambda bit: bit.name)
@pytest.mark.parametrize("p0", [0.07, 0.2])
def test_a_bit_adds_the_logarithm_of_its_likelihood_ratio_set_or_not(bit: Bit, p0: float) -> None:
    by = weights(natural(**{bit.name: p0}))
    is_looked_at = bit.name in PROFILES["strict"].bits
    expected = (math.log(bit.p1 / p0), math.log((1 - bit.p1) / (1 - p0))) if is_looked_at else (0.0, 0.0)
    assert (added(by, bit.name)[bit.name], added(by)[bit.name]) == pytest.approx(expected)


def test_what_a_query_shares_with_the_one_that_it_follows_from_says_little_more() -> None:
    by = weights(natural())
    flags = ("low_confidence", "out_of_distribution", "exact_repeat")
    alone, following = added(by, *flags), added(by, *flags, follows=True)
    for name in ("low_confidence", "out_of_distribution"):
        assert following[name] == pytest.approx(FOLLOWING * alone[name])
    assert following["exact_repeat"] == alone["exact_repeat"]


def test_a_query_in_a_cluster_adds_more_where_the_account_does_little_else() -> None:
    by = weights(natural())
    assert added(by, "cluster", related=0)["cluster"] == pytest.approx(ALARM / 4)
    assert added(by, "cluster", related=10)["cluster"] == pytest.approx(0.65 * ALARM)
    fresh = Account(0.0)
    fresh.related = 5
    assert 2 * cluster_step(fresh) > ALARM > cluster_step(fresh), "two are an alarm, one is none"


def test_a_query_outside_clusters_takes_more_away_where_natural_ones_are_often_inside() -> None:
    assert added(weights(natural(cluster=0.01)))["cluster"] == pytest.approx(-0.3)
    assert added(weights(natural(cluster=0.2)))["cluster"] == pytest.approx(-2 * 0.2 / 0.8 * ALARM / 4)


def test_what_is_off_or_what_most_clients_do_adds_nothing() -> None:
    peers = Peers({})
    peers.off = {"revisit": "set for most"}
    by = weights(natural(off="near_distance"), peers=peers)
    both = added(by, "near_distance", "revisit", "low_confidence")
    assert both["near_distance"] == both["revisit"] == 0.0
    assert both["low_confidence"] > 0
    assert "near_distance" not in by.looked_at
    assert by.looked_at - by.counted == {"revisit"}
    assert "near_distance" not in {bit.name for bit in by.measured}
    assert "fingerprint" in {bit.name for bit in by.measured}, "measured for all profiles"


def test_distance_shape_is_no_step() -> None:
    assert added(weights(natural()), "distance_shape")["distance_shape"] == 0.0


@pytest.mark.parametrize("profile", ["default", "stream"])
def test_repeats_say_something_unless_natural_queries_repeat(profile: str) -> None:
    assert weights(natural(), profile).repeats_say
    assert not weights(natural(off="exact_repeat"), profile).repeats_say
    peers = Peers({})
    peers.off = {"exact_repeat": "set for most"}
    assert not weights(natural(), profile, peers).repeats_say


def test_the_rate_of_a_bit_is_the_largest_that_was_seen() -> None:
    bit, peers = BITS[PLACE["revisit"]], Peers({})
    assert rate(bit, natural(revisit=0.1), peers) == 0.1
    peers.rates[PLACE["revisit"]] = 0.3
    assert rate(bit, natural(revisit=0.1), peers) == 0.3
