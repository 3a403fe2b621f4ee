"""Clusters of variants."""

import pytest

from detectors.cluster import CHAIN_WEIGHT, FAR_WEIGHT, MOST_CLUSTERS, SECONDS, Clusters, variant_weight


def fill(clusters, count, label=-1, **how):
    """So many variants of query 0, of one client."""
    for number in range(1, count + 1):
        cluster = clusters.join(number, 0, float(number), "a", label, **{"distance": 0.2, **how})
        clusters.new_alarm(cluster)
    return cluster


@pytest.mark.parametrize(
    ("how", "first"),
    [
        ({}, 8),
        ({"distance": 0.1}, 4),
        ({"distance": 0.4}, 16),
        ({"distance": 0.4, "is_matched": True}, 8),
        ({"is_link": True}, 64),
    ],
)
def test_how_many_variants_are_an_alarm_follows_from_how_they_came(how, first):
    assert fill(Clusters(), first - 1, **how).alarmed is None
    cluster = fill(Clusters(), first, **how)
    assert (cluster.alarmed, cluster.reason) == (float(first), "variants")


def test_repeats_alone_are_no_alarm_and_never_count_more_than_the_variants():
    clusters = Clusters()
    assert fill(clusters, 1000, is_repeat=True).alarmed is None
    for number in range(2000, 2004):
        cluster = clusters.join(number, 0, 2000.0, "b", -1, distance=0.2)
        assert clusters.new_alarm(cluster) is (number == 2003), "four variants and as much for the repeats"


def test_a_label_that_goes_to_and_fro_is_an_alarm_of_its_own():
    clusters = Clusters(None)
    alarms = []
    for number, label in enumerate([1, 2, 1, 2, 1], start=1):
        alarms.append(clusters.new_alarm(clusters.join(number, 0, 0.0, "a", label, distance=0.2)))
    assert alarms == [False, False, False, True, False]


def test_a_label_that_only_goes_on_is_none():
    clusters = Clusters(None)
    for number in range(1, 30):
        assert not clusters.new_alarm(clusters.join(number, 0, 0.0, "a", number, distance=0.2))


def test_the_labels_of_a_stream_do_not_count():
    clusters = Clusters(None)
    for number in range(1, 60):
        cluster = clusters.join(number, number - 1, 0.0, "a", number % 2, is_link=True, distance=0.2)
        assert not clusters.new_alarm(cluster)
    assert cluster.near == 59


def test_a_chain_that_wanders_off_is_one_cluster_and_its_accounts_are_told_apart():
    clusters = Clusters()
    for number in range(1, 10):
        cluster = clusters.join(number, number - 1, 0.0, f"client {number % 3}" if number > 1 else None, -1)
    assert len(clusters) == 1
    assert cluster.accounts == {"client 0": 3, "client 1": 2, "client 2": 3}
    assert cluster.without_client == 1


def test_clusters_are_bounded_and_forgotten():
    clusters = Clusters()
    for number in range(MOST_CLUSTERS + 50):
        clusters.join(2 * number + 1, 2 * number, 0.0, "a", -1)
    assert len(clusters) == MOST_CLUSTERS
    clusters.join(10**6 + 1, 10**6, SECONDS + 1, "a", -1)
    assert len(clusters) < MOST_CLUSTERS + 1


def test_weights_are_documented_ones():
    assert variant_weight(0.45, False, False) == FAR_WEIGHT
    assert variant_weight(0.01, True, True) == CHAIN_WEIGHT


def test_it_goes_on_after_a_dump():
    clusters, again = Clusters(), Clusters()
    fill(clusters, 7)
    [(space, rows)] = clusters.row_spaces().items()
    kept = clusters.rows_since(space, 0, 1000)[1]
    again.load(clusters.dump(), {0: clusters.entry(0)}, lambda name, start, stop: kept[start:stop])
    assert (again.entry(0), again.row_spaces()) == (clusters.entry(0), {space: rows})
    assert again.rows_since(space, 0, 1000)[1].tolist() == kept.tolist() == [[-1], *[[0]] * 7]
    assert again.new_alarm(again.join(8, 3, 8.0, "b", -1, distance=0.2))
