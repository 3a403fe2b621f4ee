"""The fuzz run, small: the long one is `make fuzz`."""

from soak.fuzz import fuzz
from soak.mutations import Mutations


def test_the_same_seed_gives_the_same_requests() -> None:
    one, two = Mutations(1), Mutations(1)
    assert [one.next() for _ in range(50)] == [two.next() for _ in range(50)]


def test_garbage_is_refused_counted_and_forgotten() -> None:
    outcome = fuzz(2_000, seed=7)
    assert outcome.problems() == []
    assert {200, 202, 400, 415, 422} <= set(outcome.statuses)
