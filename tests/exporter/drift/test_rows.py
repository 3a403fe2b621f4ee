"""The rows of a window: which are kept, what of them, and that a dump is all there is."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Query
from exporter.drift.features import FEATURES, TEXT_CHARACTERS, coded
from exporter.drift.rows import CAPACITY, SMALL, TOGETHER, Rows
from tests.exporter.drift.conftest import table


def collected(queries: list[Query], capacity: int = 1000) -> Rows:
    rows = Rows(capacity)
    rows.add(queries)
    return rows


def column(rows: Rows, name: str) -> list[float]:
    sample = rows.sample()
    return sample.values[:, sample.names.index(name)].tolist()


def test_all_are_kept_in_order_while_there_is_room() -> None:
    queries = table(1, 50)
    assert column(collected(queries), "amount") == [query.input_data["amount"] for query in queries]


def test_beyond_the_room_every_query_has_the_same_chance() -> None:
    kept = np.zeros(2000)
    numbers = [Query([float(index)]) for index in range(2000)]
    for shift in range(60):  # the draws are fixed: other queries at the same places
        turned = numbers[shift * 33 :] + numbers[: shift * 33]
        kept[np.array(column(collected(turned, 100), "0"), int)] += 1
    assert kept.sum() == 6000
    halves = kept.reshape(4, 500).sum(axis=1)
    assert (abs(halves - 1500) < 150).all()


@given(st.lists(st.integers(1, 300), min_size=1, max_size=10))
@settings(deadline=None, max_examples=25)
def test_the_same_rows_are_kept_however_they_are_batched(sizes: list[int]) -> None:
    queries = [Query([float(index)]) for index in range(sum(sizes))]
    parts, start = Rows(70), 0
    for size in sizes:
        parts.add(queries[start : start + size])
        start += size
    assert column(parts, "0") == column(collected(queries, 70), "0")


def test_the_capacity_is_bounded_whatever_is_asked_for() -> None:
    assert Rows(10**9).capacity == CAPACITY


def test_numbers_are_numbers_and_all_else_is_a_category() -> None:
    rows: list[dict[str, Any]] = [{"a": 1, "b": 2.5}, {"b": "x", "a": True}, {"a": None, "c": -1e300}, {"a": 10**18}]
    sample = collected([Query(row) for row in rows]).sample()
    for place, row in enumerate(rows):
        for name in sample.names:
            value, is_number = coded(row.get(name))
            at = place, sample.names.index(name)
            assert (sample.values[at], sample.numeric[at]) == (value, is_number)
    assert coded(-1e300) == (-1e150, True)
    assert coded(float("nan"))[1] is False
    assert coded(np.float32(2.0)) == (2.0, True)
    assert coded("x") != coded("y")
    assert coded("x" * 100) == coded("x" * 99)


def test_features_beyond_the_bound_are_left_out() -> None:
    wide = {f"f{index}": float(index) for index in range(FEATURES + 50)}
    sample = collected([Query(wide), Query({"new": 1.0})]).sample()
    assert sample.names == tuple(sorted(tuple(wide)[:FEATURES]))


def test_a_long_list_of_numbers_is_a_vector_and_a_short_one_features() -> None:
    sample = collected([Query([1.0] * FEATURES), Query(np.ones(FEATURES + 1))]).sample()
    assert sample.names == tuple(sorted(map(str, range(FEATURES))))
    assert sample.vectors.shape == (1, 128)
    assert np.linalg.norm(sample.vectors) == pytest.approx(1.0, abs=0.5)


def test_of_a_text_both_ends_are_looked_at_and_of_a_redacted_one_nothing() -> None:
    half = TEXT_CHARACTERS // 2
    long = "a" * half + "middle" * half + "z" * half
    texts: list[Any] = [long, "a" * half + "z" * half, "redacted-by-litellm", ["two", "texts"]]
    sample = collected([Query(text) for text in texts]).sample()
    assert sample.vectors.shape == (3, 128)
    assert np.array_equal(sample.vectors[0], sample.vectors[1])
    assert sample.numeric[:, sample.names.index("input.characters")].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "value", [None, {"embedding": []}, [["no", "image"]], object(), [float("inf")] * 300, b"broken"]
)
def test_an_input_that_cannot_be_read_is_a_row_without_values(value: Any) -> None:
    sample = collected([Query(value, [0.5, 0.5])]).sample()
    assert sample.names == ("prediction.confidence", "prediction.label")
    assert len(sample.vectors) == 0


@given(st.integers(0, 400), st.integers(0, 400))
@settings(deadline=None, max_examples=20)
def test_rows_go_on_from_their_dump(before: int, after: int) -> None:
    queries = [*table(1, before), *(Query(f"text {index}", id=str(index)) for index in range(after))]
    whole, halved = collected(queries, 150), collected(queries[:before], 150)
    halved = Rows.load(msgspec.msgpack.decode(msgspec.msgpack.encode(halved.dump())))
    halved.add(queries[before:])
    assert msgspec.msgpack.encode(halved.dump()) == msgspec.msgpack.encode(whole.dump())


def test_what_is_no_dump_is_refused_in_words() -> None:
    state = collected(table(1, 3)).dump()
    for wrong in ({}, {**state, "values": 3}, {**state, "numeric": state["values"]}):
        with pytest.raises(ValueError, match=r"state|expected"):
            Rows.load(wrong)


def test_the_draws_are_those_of_splitmix64() -> None:
    rows = Rows(10)
    rows._draws = 0
    published = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert [rows._draw() for _ in published] == [(number + 0.5) / 2**64 for number in published]


def test_pictures_and_embeddings_have_a_vector_each_in_the_row_of_their_query() -> None:
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(2)]
    sample = collected([Query(pictures[0]), Query([1.0]), Query(pictures[1]), Query(pictures[0])]).sample()
    assert sample.vectors.shape == (3, 128)
    assert np.array_equal(sample.vectors[0], sample.vectors[2])
    assert not np.array_equal(sample.vectors[0], sample.vectors[1])
    embeddings = [Query({"embedding": [3.0, 4.0]}), Query({"embedding": [0.0, 2.0]}), Query({"embedding": [1.0]})]
    vectors = collected(embeddings).sample().vectors
    assert vectors.tolist() == [pytest.approx([0.6, 0.8], abs=1e-3), [0.0, 1.0]]


@pytest.mark.parametrize(
    ("value", "waits"), [("x" * SMALL, 1), ({"a": 1}, 1), ("x" * (SMALL + 1), 0), ([1.0], 0), (np.ones(3), 0)]
)
def test_what_is_small_waits_and_what_is_large_is_looked_at_at_once(value: Any, waits: int) -> None:
    assert len(collected([Query(value)])._waiting) == waits


def test_those_that_wait_are_looked_at_once_there_are_many() -> None:
    assert len(collected([Query("x")] * (TOGETHER - 1))._waiting) == TOGETHER - 1
    assert len(collected([Query("x")] * TOGETHER)._waiting) == 0
