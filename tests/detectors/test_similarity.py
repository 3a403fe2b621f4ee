import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detectors import (
    ImageSimilarityDetector,
    InvalidQuery,
    MissingField,
    Query,
    SimilarityDetector,
    TabularSimilarityDetector,
    TextSimilarityDetector,
)
from detectors.similarity import unit
from tests.detectors.restart import assert_goes_on, kept, restarted

RNG = np.random.default_rng(21)


def scores(detector, values):
    return [result.metadata["score"] for result in detector.process_batch([Query(value) for value in values])]


def naive(vectors, size):
    found = []
    for index, vector in enumerate(vectors):
        window = vectors[max(0, index - size) : index]
        cosines = [
            float(np.dot(vector, other) / (np.linalg.norm(vector) * np.linalg.norm(other)))
            for other in window
            if len(other) == len(vector)
        ]
        best = max(cosines, default=0.0)
        found.append(1.0 if best >= 1 - 1e-6 else best)
    return found


numbers = st.integers(-3, 3).map(float)
vectors = st.one_of(*[st.lists(numbers, min_size=d, max_size=d).filter(any) for d in (2, 3)])


@settings(deadline=None)
@given(st.lists(vectors, max_size=40), st.integers(1, 30), st.integers(1, 20))
def test_vectors_of_mixed_lengths_score_like_the_loop(rows, size, batch):
    detector = SimilarityDetector({"max_history_size": size})
    found = [score for start in range(0, len(rows), batch) for score in scores(detector, rows[start : start + batch])]
    np.testing.assert_allclose(found, naive(rows, size), atol=1e-5)


def test_the_first_query_scores_zero_and_the_same_again_exactly_one():
    values = ["a text", {"age": 3, "name": "x"}, RNG.random((30, 30, 3)), RNG.random(384), {"embedding": [1, 2, 3]}]
    for value in values:
        assert scores(SimilarityDetector(), [value, value, value]) == [0, 1, 1]


def test_a_flagged_query_is_an_incident_with_words():
    detector = SimilarityDetector({"threshold": 0.9})
    results = detector.process_batch([Query([1.0, 0.0]), Query([0.0, 1.0]), Query([0.1, 1.0])])
    assert [result.is_suspicious for result in results] == [False, False, True]
    assert results[2].reason == "Similarity score: 0.9950, threshold: 0.9000."
    assert results[2].confidence == results[2].metadata["score"] == pytest.approx(0.99504, abs=1e-5)
    state = detector.get_state()
    assert state == {
        "current_history_size": 3,
        "threshold": 0.9,
        "latest_incident_similarity_score": results[2].metadata["score"],
        "latest_incident_closest_index": 1,
        "latest_incident_closest_embedding": None,
    }
    embedding = detector.get_state(include_embedding=True)["latest_incident_closest_embedding"]
    assert embedding == [0.0, 1.0]


def test_without_an_incident_the_state_holds_none():
    detector = SimilarityDetector()
    detector.process_batch([Query([1.0, 0.0]), Query([0.0, 1.0])])
    assert set(detector.get_state(include_embedding=True).values()) == {2, 0.9, None}


def test_the_first_of_two_equal_queries_is_the_closest():
    detector = SimilarityDetector()
    detector.process_batch([Query("a text"), Query("a text"), Query("a text")])
    assert detector.get_state()["latest_incident_closest_index"] == 0


def test_the_position_counts_from_the_oldest_query_in_the_window_as_it_stood():
    detector = SimilarityDetector({"max_history_size": 3})
    for value in ("first one", [1.0, 2.0], "something else", {"a": 1}, [1.0, 2.0]):
        detector.process(Query(value))
    assert detector.get_state()["latest_incident_closest_index"] == 0
    detector.process(Query("unrelated words"))
    detector.process(Query({"a": 1}))
    assert detector.get_state()["latest_incident_closest_index"] == 0


def test_an_incident_stays_until_the_next_one():
    detector = SimilarityDetector({"max_history_size": 2})
    detector.process_batch([Query([1.0, 0.0]), Query([1.0, 0.0])])
    detector.process_batch([Query([0.0, 1.0])])
    assert detector.get_state()["latest_incident_similarity_score"] == 1.0


def test_a_negative_score_has_no_confidence():
    result = SimilarityDetector().process_batch([Query([1.0, 0.0]), Query([-1.0, 0.0])])[1]
    assert (result.metadata["score"], result.confidence) == (-1.0, 0.0)


def test_vectors_of_zeros_are_equal_to_each_other_and_to_nothing_else():
    assert scores(SimilarityDetector(), [[0.0, 0.0], [1.0, 0.0], [0, 0], [1.0, 0.0]]) == [0, 0, 1, 1]


def test_empty_texts_are_equal_to_each_other_and_to_nothing_else():
    assert scores(TextSimilarityDetector(), ["", "a text", "  ", [""]]) == [0, 0, 1, 1]


def test_huge_and_tiny_numbers_have_finite_scores():
    values = [[1e300, 1e300], [1e-300, 1e-300], [5e-324, 5e-324], [1e300, -1e300]]
    assert scores(SimilarityDetector(), values) == [0, 1, 1, pytest.approx(0, abs=1e-6)]


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1))
def test_unit_rows_have_length_one_or_are_zero(rows):
    lengths = np.linalg.norm(unit(np.array(rows)).astype(float), axis=1)
    assert all(length == pytest.approx(1, abs=1e-6) or not any(row) for length, row in zip(lengths, rows, strict=True))


def test_vectors_come_as_lists_arrays_tensors_and_embeddings(tensor):
    values = [
        [1, 2.0],
        np.array([1, 2]),
        np.array([1, 2], np.float32),
        tensor(np.array([1.0, 2.0])),
        {"embedding": [1, 2]},
    ]
    assert scores(SimilarityDetector(), values) == [0, 1, 1, 1, 1]


def test_queries_get_their_vectors():
    queries = [Query("a text"), Query([3.0, 4.0]), Query("")]
    SimilarityDetector().process_batch(queries)
    assert queries[1].embedding.tolist() == pytest.approx([0.6, 0.8])
    assert [query.embedding.shape for query in queries] == [(512,), (2,), (512,)]
    assert not queries[2].embedding.any()


def test_texts_with_other_words_are_not_similar():
    found = scores(TextSimilarityDetector(), ["Hello world!", "Goodbye world!", "HELLO WORLD! ", ["hello", "world!"]])
    assert found[1] < 0.9
    assert found[2:] == [1, 1]


def test_people_of_another_age_are_not_similar_and_other_features_are_not_compared():
    detector = TabularSimilarityDetector()
    rows = [
        {"age": 25, "income": 30000},
        {"income": 30001, "age": 24},
        {"age": 80, "income": 30000},
        {"length": 50, "width": 100},
    ]
    found = scores(detector, rows)
    assert 0.9 < found[1] < 1
    assert found[2] < 0.9
    assert found[3] == 0
    assert scores(detector, [pd.Series({"width": 100, "length": 50.0})]) == [1]


def test_a_list_of_numbers_is_a_row_for_the_tabular_detector_and_a_vector_for_the_general_one():
    values = [[1.0, 2.0], [10.0, 20.0]]
    assert scores(SimilarityDetector(), values)[1] == 1
    assert scores(TabularSimilarityDetector(), values)[1] < 0.9


class Encoder:
    def __init__(self):
        self.seen = []

    def transform(self, rows):
        self.seen.extend(rows)
        return np.array([[1.0, float(row[0])] for row in rows])


def test_an_encoder_gets_the_features_in_the_order_of_their_names():
    encoder = Encoder()
    detector = TabularSimilarityDetector(encoder=encoder)
    found = scores(detector, [{"b": 7, "a": 1}, {"a": 1.0, "b": 9}, {"a": -1, "b": 7}, {"z": 1}])
    assert encoder.seen == [[1, 7], [1.0, 9], [-1, 7], [1]]
    assert found == [0, 1, pytest.approx(0, abs=1e-6), 0]


def test_a_sparse_encoding_is_taken():
    class Sparse(Encoder):
        def transform(self, rows):
            dense = super().transform(rows)
            return type("Matrix", (), {"toarray": lambda self: dense})()

    assert scores(TabularSimilarityDetector(encoder=Sparse()), [{"a": 1}, {"a": 1}]) == [0, 1]


def test_an_embedding_of_one_s_own_gets_the_whole_list():
    calls = []

    def embed(inputs):
        calls.append(inputs)
        return [[len(value), 1.0] for value in inputs]

    assert scores(SimilarityDetector(embed=embed), ["aa", "bb", {"k": 1, "l": 2}]) == [0, 1, 1]
    assert calls == [["aa", "bb", {"k": 1, "l": 2}]]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([1.0, 2.0], r"the embedding of 2 inputs has shape \(2,\), expected \(2, dimensions\)"),
        ([[1.0]], r"has shape \(1, 1\), expected \(2, dimensions\)"),
        ([[], []], r"has shape \(2, 0\)"),
        ([[1.0], [float("nan")]], "the embedding holds a number that is not finite"),
    ],
)
def test_a_wrong_embedding_is_an_error_of_the_embedding(vectors, message):
    detector = SimilarityDetector(embed=lambda inputs: vectors)
    with pytest.raises(ValueError, match=message) as refused:
        detector.process_batch([Query("a"), Query("b")])
    assert not isinstance(refused.value, InvalidQuery)
    assert detector.window_queries() == 0


def test_pictures_at_another_brightness_are_near_and_not_the_same(tensor):
    white = np.ones((3, 64, 64), np.float32)
    found = scores(ImageSimilarityDetector(), [tensor(white), tensor(0.85 * white), tensor(white)])
    assert 0.9 < found[1] < 1
    assert found[2] == 1


def test_a_flat_picture_and_noise_are_not_similar():
    ones = Image.fromarray(np.ones((224, 224, 3), np.uint8))
    assert scores(ImageSimilarityDetector(), [ones, RNG.integers(0, 10, (3, 224, 224)), ones])[1:] == [
        pytest.approx(0.7, abs=0.2),
        1,
    ]


@pytest.mark.parametrize(
    ("detector", "value"),
    [
        (TextSimilarityDetector, [1.0]),
        (TabularSimilarityDetector, np.zeros((4, 4))),
        (ImageSimilarityDetector, "a"),
    ],
)
def test_another_modality_is_skipped_and_not_judged(detector, value):
    assert detector().missing(Query(value)) == "other_modality"
    with pytest.raises(MissingField, match="cannot judge it: other_modality"):
        detector().process(Query(value))


def test_a_redacted_text_is_not_similar_to_anything():
    assert SimilarityDetector().missing(Query("redacted-by-litellm")) == "redacted"


def test_the_memory_bound_shortens_the_window():
    detector = SimilarityDetector({"max_history_size": 1000, "max_history_bytes": 4 * 100 * 10})
    detector.score([Query(row) for row in RNG.random((50, 100))])
    assert detector.get_state()["current_history_size"] == 10


@pytest.mark.parametrize("threshold", [1.5, -2])
def test_a_threshold_that_no_cosine_can_have_is_refused(threshold):
    with pytest.raises(ValueError, match="similarity: option threshold: expected `float`"):
        SimilarityDetector({"threshold": threshold})


def test_the_position_of_a_bad_query_is_that_in_the_batch():
    with pytest.raises(InvalidQuery) as refused:
        SimilarityDetector().score([Query("a"), Query([1.0]), Query("b"), Query([float("nan")])])
    assert refused.value.index == 3


WORDS = ["reset", "my", "password", "the", "weather", "list", "users", "in", "paris"]


def values_of(kind, rng, count):
    """Inputs of a kind, some close to each other."""
    return [
        {
            "text": lambda: " ".join(rng.choice(WORDS, rng.integers(0, 6))),
            "table": lambda: {name: int(rng.integers(0, 3)) for name in ("a", "b", "c")[: rng.integers(1, 4)]},
            "image": lambda: rng.integers(0, 3, (8, 8, 3), dtype=np.uint8) * 100,
            "numbers": lambda: rng.integers(-1, 2, rng.choice([2, 5, 33])).astype(float),
            "embedding": lambda: {"embedding": rng.integers(-1, 2, rng.choice([3, 64])).astype(float).tolist()},
        }[kind]()
        for _ in range(count)
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["text", "table", "image", "numbers", "embedding"]), min_size=1, max_size=3),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.sets(st.integers(0, 8)),
    st.integers(1, 60),
    st.integers(0, 1000),
)
def test_a_restart_at_any_point_changes_no_bit_of_scores_and_incidents(kinds, sizes, cuts, size, seed):
    rng = np.random.default_rng(seed)
    batches = [[Query(value) for kind in kinds for value in values_of(kind, rng, count)] for count in sizes]
    config = {"max_history_size": size, "threshold": 0.8}
    assert_goes_on(lambda: SimilarityDetector(config), batches, cuts)


def test_a_restart_keeps_the_windows_of_a_model_of_one_s_own_and_of_an_encoder():
    class Encoder:
        def transform(self, rows):
            return np.array(rows) @ np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 3.0]])

    rows = [[Query({"a": int(a), "b": int(b)}) for a, b in RNG.integers(0, 5, (9, 2))] for _ in range(4)]
    assert_goes_on(lambda: TabularSimilarityDetector({"max_history_size": 20}, encoder=Encoder()), rows, {1, 3})
    texts = [[Query("x" * int(length)) for length in RNG.integers(1, 9, 9)] for _ in range(4)]
    embed = lambda values: [[len(value), 1.0, 2.0] for value in values]  # noqa: E731
    assert_goes_on(lambda: TextSimilarityDetector({"max_history_size": 20}, embed=embed), texts, {1, 3})


def test_a_window_that_was_made_otherwise_is_not_taken():
    state = SimilarityDetector().dump_state()
    for config, message in (
        ({"max_history_size": 3}, "of max_history_size 100, and this detector has 3"),
        ({"max_history_bytes": 3}, "of max_history_bytes 1073741824, and this detector has 3"),
    ):
        with pytest.raises(ValueError, match=message):
            SimilarityDetector(config).load_state(state)


def test_a_window_goes_on_under_another_threshold_and_seed_and_tells_no_seed():
    detector = SimilarityDetector({"seed": 7_654_321})
    detector.score([Query([1.0, 2.0])])
    assert b"7654321" not in kept(detector)[0]
    assert b"seed" not in kept(detector)[0]
    other = restarted(detector, SimilarityDetector({"seed": 3, "threshold": 0.3}))
    assert scores(other, [[1.0, 2.0]]) == [1]
    assert other.get_state()["threshold"] == 0.3


def test_rows_that_cannot_be_read_leave_the_detector_empty_and_say_why():
    detector = SimilarityDetector({"max_history_size": 10_000})
    detector.score([Query(row) for row in RNG.standard_normal((5000, 2))])
    state, (space,) = detector.dump_state(), detector.row_spaces()
    asked = []

    def read(space, start, stop):
        asked.append((space, start, stop))
        if start:
            raise OSError("the disk is gone")
        return detector.rows_since(space, start, stop - start)[1]

    fresh = SimilarityDetector({"max_history_size": 10_000})
    with pytest.raises(OSError, match="the disk is gone"):
        fresh.load_state(state, read)
    assert asked == [(space, 0, 4096), (space, 4096, 5000)]
    assert (fresh.window_queries(), fresh.row_spaces()) == (0, {})
    assert fresh.get_state() == SimilarityDetector().get_state()
    assert scores(fresh, [[1.0, 2.0]]) == [0]
