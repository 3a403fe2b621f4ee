"""Token buckets."""

import pytest

from exporter.access.limits import Buckets, network


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    buckets = Buckets(per_second=2, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == 0.5


def test_senders_do_not_share_a_bucket() -> None:
    buckets = Buckets(per_second=1, burst=1)
    assert (buckets.take("a", 0.0), buckets.take("a", 0.0), buckets.take("b", 0.0)) == (0, 1, 0)


def test_a_bucket_never_holds_more_than_the_burst() -> None:
    buckets = Buckets(per_second=10, burst=2)
    buckets.take("a", 0.0)
    assert [buckets.take("a", 1e6) for _ in range(3)] == [0, 0, 0.1]


def test_to_look_takes_nothing() -> None:
    buckets = Buckets(per_second=1, burst=1)
    assert (buckets.wait("a", 0.0), buckets.wait("a", 0.0), buckets.take("a", 0.0)) == (0, 0, 0)
    assert buckets.wait("a", 0.25) == 0.75


def test_a_rate_below_one_still_lets_one_through() -> None:
    buckets = Buckets(per_second=0.1, burst=0.1)
    assert (buckets.take("a", 0.0), buckets.take("a", 0.0)) == (0, 10)


def test_a_flood_of_senders_is_bounded_and_forgets_the_one_that_was_silent_longest() -> None:
    buckets = Buckets(per_second=1, burst=1, senders=3)
    for sender in ("a", "b", "c", "a", "d"):
        buckets.take(sender, 0.0)
    assert len(buckets) == 3
    assert buckets.wait("a", 0.0) > 0
    assert buckets.wait("b", 0.0) == 0


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2:3", "2001:db8::/64"),
        ("testclient", "testclient"),
    ],
)
def test_one_host_is_one_sender(address: str, sender: str) -> None:
    assert network(address) == sender
