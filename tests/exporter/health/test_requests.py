"""The ids by which queries and samples are joined."""

import pytest

from detectors import Query
from exporter.health.requests import COST, LATENCY, Known, RequestIds


def ids(*groups, generation=10):
    known = RequestIds(generation)
    for group in groups:
        known.add_queries("m", dict.fromkeys(group, 0))
    return known


def test_a_sample_finds_its_query_once():
    known = ids(["a"])
    assert [known.join_sample("m", "a"), known.join_sample("m", "a")] == [0, None]


def test_a_query_finds_its_sample_once_and_its_retry_still_does():
    known = ids()
    known.add_sample("m", "a", Known(1.5, LATENCY | COST, False))
    assert [known.join_query("m", Query("x", id="a")) for _ in range(2)] == [LATENCY | COST, None]
    assert known.find_sample("m", "a") == Known(1.5, LATENCY | COST, True)


def test_ids_of_another_model_are_other_ids():
    known = ids(["a"])
    assert known.join_sample("other", "a") is None
    known.add_sample("m", "s", Known(1.0, LATENCY, False))
    assert not known.has_samples("other")


@pytest.mark.parametrize("batch", [1, 3, 7, 10, 25, 40])
def test_a_generation_ends_at_the_same_id_however_ids_are_batched(batch):
    names = [f"q{number}" for number in range(40)]
    known = ids(*(names[start : start + batch] for start in range(0, 40, batch)))
    found = [name for name in names if known.join_sample("m", name) is not None]
    assert found == names[30:]  # the last ended generation, and nothing of the new one


def test_at_most_two_generations_are_known():
    known = ids([f"q{number}" for number in range(1000)])
    for number in range(1000):
        known.add_sample("m", f"s{number}", Known(1.0, LATENCY, False))
    assert sum(len(found) for maps in (*known._queries, *known._samples) for found in maps.values()) <= 20


def test_what_is_remembered_comes_back():
    known = ids(["a", "b"])
    known.add_sample("m", "s", Known(1.0, LATENCY, True))
    back = RequestIds(10)
    back.load(known.dump())
    assert back.dump() == known.dump()
    assert (back.join_sample("m", "a"), back.find_sample("m", "s")) == (0, Known(1.0, LATENCY, True))
