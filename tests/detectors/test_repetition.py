import hashlib
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detectors import (
    ImageRepetitionDetector,
    InvalidQuery,
    MissingField,
    Query,
    RepetitionDetector,
    TabularRepetitionDetector,
    TextRepetitionDetector,
)
from tests.detectors.restart import assert_goes_on


def naive(keys, size, times=None, seconds=None):
    """Counts, one query after the other."""
    window, counts, now = [], [], float("-inf")
    for index, key in enumerate(keys):
        if times is not None:
            now = max(now, times[index])
            window = [(other, time) for other, time in window if time > now - seconds]
        window = [*window, (key, now)][-size:]
        counts.append(sum(other == key for other, _ in window))
    return counts, len(window)


def scores(detector, values):
    return [result.metadata["score"] for result in detector.process_batch([Query(value) for value in values])]


@given(st.lists(st.sampled_from("abcde"), max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_counts_are_those_of_the_loop_whatever_the_window_and_the_batches(texts, size, batch):
    detector = TextRepetitionDetector({"max_history_size": size})
    found = [score for start in range(0, len(texts), batch) for score in scores(detector, texts[start : start + batch])]
    expected, held = naive(texts, size)
    assert found == expected
    state = detector.get_state()
    last = [hashlib.sha256(text.encode()).hexdigest() for text in texts[-size:]]
    assert state["current_history_size"] == held
    assert state["repetition_counts"] == {key: last.count(key) for key in last}
    assert state["unique_inputs"] == len(set(last))
    assert state["max_repetition"] == max(map(last.count, last), default=0)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=50), st.integers(1, 10), st.floats(0.5, 50)
)
def test_a_window_bounded_in_time_agrees_with_the_loop_and_never_runs_backwards(events, size, seconds):
    detector = TextRepetitionDetector({"max_history_size": size, "window_seconds": seconds})
    found = detector.score([Query(text, timestamp=time) for text, time in events]).tolist()
    expected, held = naive([text for text, _ in events], size, [time for _, time in events], seconds)
    assert found == expected
    assert detector.window_queries() == held


def test_a_query_leaves_at_the_age_of_the_window():
    detector = TextRepetitionDetector({"window_seconds": 10})
    times = (0, 9.9, 10, 19.8, 30)
    assert detector.score([Query("a", timestamp=time) for time in times]).tolist() == [1, 2, 2, 3, 1]


def test_a_text_is_flagged_at_the_threshold_with_words():
    detector = TextRepetitionDetector({"threshold": 3})
    results = detector.process_batch([Query("Hello world!")] * 4)
    assert [result.is_suspicious for result in results] == [False, False, True, True]
    assert [result.confidence for result in results] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert results[2].reason == "Query repeated 3 times."


def test_the_key_of_a_text_is_its_sha_256():
    detector = TextRepetitionDetector()
    query = Query("  Hello World! ")
    detector.process(query)
    key = "7509e5bda0c762d2bac7f90d758b5b2263fa01ccbc542ab5e3df163be08e6ca9"
    assert query.hash == key
    assert detector.get_state() == {
        "current_history_size": 1,
        "unique_inputs": 1,
        "repetition_counts": {key: 1},
        "max_repetition": 1,
    }


def test_texts_repeat_in_other_case_with_blanks_around_and_in_parts():
    assert scores(TextRepetitionDetector(), ["Hello world", "hello WORLD ", ["hello", "world"], "hello  world"]) == [
        1,
        2,
        3,
        1,
    ]


def test_half_a_surrogate_pair_is_counted_like_any_text():
    assert scores(TextRepetitionDetector(), ["\ud800", "a", "\ud800"]) == [1, 1, 2]


@pytest.mark.parametrize(
    "other",
    [{"b": 2, "a": 1}, {"a": 1.0, "b": 2.0}, pd.Series({"b": 2, "a": 1}), {"a": np.int32(1), "b": np.float64(2)}],
)
def test_rows_repeat_in_other_orders_and_types(other):
    assert scores(TabularRepetitionDetector(), [{"a": 1, "b": 2}, other]) == [1, 2]


@pytest.mark.parametrize(
    "other",
    [{"a": 1}, {"a": 1, "b": "2"}, {"a": 2, "b": 1}, {"a": 1, "c": 2}, {"a": True, "b": 2}, {"a": 1, "b": 2.0000001}],
)
def test_other_rows_do_not_repeat(other):
    assert scores(TabularRepetitionDetector(), [{"a": 1, "b": 2}, other]) == [1, 1]


def test_large_integers_are_told_apart_beyond_what_a_float_can_hold():
    assert scores(TabularRepetitionDetector(), [{"id": 2**60}, {"id": 2**60 + 1}, {"id": float(2**60)}]) == [1, 1, 2]


def test_names_and_values_cannot_be_mixed_up():
    rows = [{"a": "1', 'b': '2"}, {"a": "1", "b": "2"}, {"a', 'b": "1"}]
    assert scores(TabularRepetitionDetector(), rows) == [1, 1, 1]


@pytest.mark.parametrize("detector", [RepetitionDetector, TabularRepetitionDetector])
def test_lists_of_numbers_repeat_as_arrays_and_whole_numbers(detector):
    values = [[1, 2, -0.0], [1.0, 2.0, 0], np.array([1, 2, 0]), np.array([1, 2, 0], np.float32), [1, 2], [2, 1, 0]]
    assert scores(detector(), values) == [1, 2, 3, 4, 1, 1]


def test_embeddings_repeat_as_vectors(tensor):
    values = [{"embedding": [0.5, 1]}, {"embedding": np.array([0.5, 1])}, [0.5, 1], tensor(np.array([0.5, 1]))]
    assert scores(RepetitionDetector(), values) == [1, 2, 3, 4]


def test_a_white_picture_repeats_in_every_form(tensor):
    values = [
        Image.new("RGB", (224, 224), "white"),
        Image.new("L", (224, 224), 255),
        np.full((224, 224, 3), 255, np.uint8),
        np.ones((3, 224, 224)),
        tensor(np.ones((3, 224, 224), np.float32)),
    ]
    assert scores(ImageRepetitionDetector(), values) == [1, 2, 3, 4, 5]


def test_a_darker_picture_and_noise_are_other_pictures(tensor):
    rng = np.random.default_rng(0)
    values = [
        np.ones((3, 64, 64)),
        tensor(np.full((3, 64, 64), 0.85)),
        rng.integers(0, 256, (64, 64)),
        np.zeros((64, 64)),
    ]
    assert scores(ImageRepetitionDetector(), values) == [1, 1, 1, 1]


def test_all_kinds_go_through_one_window():
    rng = np.random.default_rng(0)
    values = ["a", {"a": 1}, [1.0], rng.integers(0, 256, (64, 64)), {"embedding": [1.0]}, ["a"]] * 2
    assert scores(RepetitionDetector(), values) == [1, 1, 1, 1, 2, 2, 3, 2, 3, 2, 4, 4]


@pytest.mark.parametrize(
    ("detector", "value"),
    [
        (TextRepetitionDetector, {"a": 1}),
        (TextRepetitionDetector, np.zeros((4, 4))),
        (TabularRepetitionDetector, "a"),
        (TabularRepetitionDetector, {"embedding": [1.0]}),
        (ImageRepetitionDetector, [1.0]),
    ],
)
def test_another_modality_is_skipped_and_not_judged(detector, value):
    assert detector().missing(Query(value)) == "other_modality"
    with pytest.raises(MissingField, match="cannot judge it: other_modality"):
        detector().process(Query(value))


def test_a_redacted_text_never_counts_as_repeated():
    detector = TextRepetitionDetector()
    for _ in range(6):
        with pytest.raises(MissingField, match="cannot judge it: redacted"):
            detector.process(Query("redacted-by-litellm"))
    assert detector.get_state()["current_history_size"] == 0


def test_a_threshold_below_one_is_refused():
    with pytest.raises(ValueError, match="option threshold: expected `float` >= 1"):
        TextRepetitionDetector({"threshold": 0})


def test_the_position_of_a_bad_query_is_that_in_the_batch():
    with pytest.raises(InvalidQuery) as refused:
        RepetitionDetector().score([Query("a"), Query([1.0]), Query("b"), Query([float("nan")])])
    assert refused.value.index == 3


def test_a_timestamp_may_be_a_datetime():
    detector = TextRepetitionDetector({"window_seconds": 10})
    start = datetime(2026, 1, 31, 12)
    scores = [
        detector.process(Query("a", timestamp=start + timedelta(seconds=seconds))).metadata["score"]
        for seconds in (0, 5, 20)
    ]
    assert scores == [1, 2, 1]


texts = st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 40)), min_size=1, max_size=15)


@given(st.lists(texts, max_size=8), st.sets(st.integers(0, 8)), st.integers(1, 20), st.sampled_from([None, 5, 17.5]))
def test_a_restart_at_any_point_changes_no_later_count(batches, cuts, size, seconds):
    batches = [[Query(text, timestamp=timestamp) for text, timestamp in batch] for batch in batches]
    config = {"max_history_size": size, "window_seconds": seconds}
    assert_goes_on(lambda: TextRepetitionDetector(config), batches, cuts)


def test_a_window_of_another_size_or_time_is_not_taken():
    state = RepetitionDetector({"window_seconds": 60}).dump_state()
    for config, message in (
        ({}, "the state is of window_seconds 60.0, and this detector has None"),
        ({"window_seconds": 60, "max_history_size": 7}, "of max_history_size 100, and this detector has 7"),
    ):
        with pytest.raises(ValueError, match=message):
            RepetitionDetector(config).load_state(state)
    for change in ({"times": [1.0]}, {"keys": ["a"] * 101, "times": [1.0] * 101}):
        detector = RepetitionDetector({"window_seconds": 60})
        with pytest.raises(ValueError, match=r"the state has \d+ keys and \d+ times, expected \d+ times"):
            detector.load_state({**state, **change})
        assert detector.window_queries() == 0
