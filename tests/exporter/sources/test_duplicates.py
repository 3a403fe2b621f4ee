"""De-duplication."""

from typing import Any

import numpy as np
import pytest

from detectors import Query
from exporter.sources.duplicates import Duplicates


def asked(text: Any = "a", id: str | None = "1", **fields: Any) -> Query:
    return Query(text, id=id, **fields)


def take(duplicates: Duplicates, *queries: Query, sender: str = "", now: float = 1000.0) -> tuple[int, int]:
    """Sort out and remember; how many were duplicates, and how many reused an id."""
    found = duplicates.sort_out(queries, sender)
    duplicates.remember(found.entries, now)
    assert len(found.fresh) + found.duplicates == len(queries)
    assert all(query in found.fresh for query in found.reused)
    return found.duplicates, len(found.reused)


def test_the_same_id_with_the_same_content_is_a_duplicate() -> None:
    duplicates = Duplicates()
    assert take(duplicates, asked()) == (0, 0)
    assert take(duplicates, asked()) == (1, 0)


def test_within_one_body_the_second_is_the_duplicate() -> None:
    assert take(Duplicates(), asked(), asked("b", "2"), asked()) == (1, 0)


def test_the_same_id_with_other_content_is_judged_and_counted_as_reused() -> None:
    duplicates = Duplicates()
    take(duplicates, asked("a"))
    assert take(duplicates, asked("b")) == (0, 1)
    assert take(duplicates, asked("c"), asked("d")) == (0, 2)
    assert take(duplicates, asked("a"), asked("b"), asked("c"), asked("d")) == (4, 0)


def test_queries_without_an_id_are_never_duplicates() -> None:
    duplicates = Duplicates()
    for _ in range(2):
        assert take(duplicates, asked(id=None), asked(id=None)) == (0, 0)


@pytest.mark.parametrize("fields", [{"model": "m"}, {"client": "c"}, {"model": "None"}, {"id": "2"}])
def test_another_model_client_or_id_is_another_query(fields: dict[str, str]) -> None:
    duplicates = Duplicates()
    take(duplicates, asked())
    assert take(duplicates, asked(**fields)) == (0, 0)


def test_another_sender_is_another_query() -> None:
    duplicates = Duplicates()
    take(duplicates, asked(), sender="key one")
    assert take(duplicates, asked(), sender="key two") == (0, 0)


def test_names_cannot_be_shifted_into_one_another() -> None:
    duplicates = Duplicates()
    take(duplicates, asked(model="a", client="b\0c"))
    assert take(duplicates, asked(model="a\0b", client="c")) == (0, 0)


@pytest.mark.parametrize(
    ("content", "other"),
    [
        ("a", "b"),
        ("1", 1.0),
        (["a", "b"], ["ab"]),
        ({"x": 1}, {"x": 2}),
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)),
        (np.zeros(2, np.uint8), np.zeros(2, np.int8)),
        ({"embedding": np.zeros(2, np.float32)}, {"embedding": np.ones(2, np.float32)}),
    ],
)
def test_content_is_compared_by_value_and_type(content: Any, other: Any) -> None:
    duplicates = Duplicates()
    take(duplicates, asked(content))
    assert take(duplicates, asked(content)) == (1, 0)
    assert take(duplicates, asked(other)) == (0, 1)


def test_another_answer_is_other_content() -> None:
    duplicates = Duplicates()
    take(duplicates, asked(model_output=[0.1, 0.9]))
    assert take(duplicates, asked(model_output=[0.2, 0.8])) == (0, 1)
    assert take(duplicates, asked(model_output=[0.1, 0.9])) == (1, 0)


def test_what_was_sorted_out_and_not_taken_is_not_remembered() -> None:
    duplicates = Duplicates()
    duplicates.sort_out([asked()], "")
    assert take(duplicates, asked()) == (0, 0)


def test_an_id_is_known_for_at_least_an_hour_and_forgotten_after_two() -> None:
    duplicates = Duplicates(seconds=3600)
    take(duplicates, asked(), now=10_000)
    for minute in range(1, 61):  # others come all the time
        take(duplicates, asked(id=f"m{minute}"), now=10_000 + 60 * minute)
        assert duplicates.sort_out([asked()], "").duplicates == 1
    for minute in range(61, 121):
        take(duplicates, asked(id=f"m{minute}"), now=10_000 + 60 * minute)
    assert duplicates.sort_out([asked()], "").duplicates == 0


def test_at_least_the_last_ids_up_to_the_size_are_known_and_not_many_more() -> None:
    duplicates = Duplicates(size=100)
    for number in range(1000):
        take(duplicates, asked(id=str(number)))
        known = [duplicates.sort_out([asked(id=str(past))], "").duplicates for past in range(number + 1)]
        assert sum(known) <= 150
        assert all(known[-100:])


def test_the_contents_of_one_id_are_forgotten_as_those_of_many_are() -> None:
    duplicates = Duplicates(size=100)
    for number in range(1000):
        take(duplicates, asked(str(number)))
    known = [duplicates.sort_out([asked(str(past))], "").duplicates for past in range(1000)]
    assert sum(known) <= 300
    assert all(known[-100:])


def test_an_id_stays_reused_as_long_as_one_of_its_contents_is_known() -> None:
    duplicates = Duplicates(seconds=3600)
    for minute in range(200):
        assert take(duplicates, asked(str(minute)), now=10_000 + 60 * minute) == (0, int(minute > 0))
        assert take(duplicates, asked(str(minute)), now=10_000 + 60 * minute) == (1, 0)


def test_content_that_cannot_be_compared_is_equal_to_nothing() -> None:
    duplicates = Duplicates()
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    for output in ({"label": 10**30}, {"boxes": nested}):
        query = asked(model_output=output)
        assert take(duplicates, query)[0] == 0
        assert take(duplicates, query) == (0, 1)


def test_a_clock_that_is_set_back_keeps_ids_an_hour_and_no_longer_than_two() -> None:
    duplicates = Duplicates(seconds=3600)
    take(duplicates, asked(), now=400 * 86_400)
    for minute in range(121):
        assert duplicates.sort_out([asked()], "").duplicates == (minute <= 75)
        take(duplicates, asked(id=f"m{minute}"), now=60 * minute)


def test_a_clock_that_jumps_forward_a_year_forgets_nothing_at_once() -> None:
    duplicates = Duplicates(seconds=3600)
    take(duplicates, asked(), now=10_000)
    take(duplicates, asked(id="later"), now=10_000 + 365 * 86_400)
    assert duplicates.sort_out([asked()], "").duplicates == 1
