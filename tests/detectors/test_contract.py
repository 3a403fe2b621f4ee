"""One suite for every registered detector and for detectors of other people's making."""

import json

import numpy as np
import pytest

from detectors import (
    DetectionResult,
    Detector,
    InvalidQuery,
    MissingField,
    Query,
    get_detector,
    list_detectors,
    register_detector,
)
from detectors.contract import Adapted, checked
from tests.detectors.restart import assert_goes_on, kept, reader, restarted


class LengthDetector(Detector):
    """A plug-in by subclass: the share of the longest text so far."""

    name = "length"

    def __init__(self, config=None):
        super().__init__(config)
        self.reset_state()

    def _compute_score(self, query):
        if not isinstance(query.input_data, str):
            raise InvalidQuery("input_data", "expected a text")
        self.longest = max(self.longest, len(query.input_data) + 1)
        return len(query.input_data) / self.longest

    def get_state(self):
        return {"longest": self.longest}

    def reset_state(self):
        self.longest = 1


class BareDetector:
    """A plug-in that keeps to the bare contract: the share of vowels."""

    def __init__(self, config=None):
        self.threshold = (config or {}).get("threshold", 0.3)
        self.reset_state()

    def score(self, batch):
        for index, query in enumerate(batch):
            if not isinstance(query.input_data, str):
                raise InvalidQuery("input_data", "expected a text", index)
        self.seen += len(batch)
        return np.array([sum(map(query.input_data.count, "aeiou")) / 100 for query in batch])

    def get_state(self):
        return {"seen": self.seen}

    def reset_state(self):
        self.seen = 0


RNG = np.random.default_rng(7)
TEXTS = ["how do i reset my password", "what is the weather", "", "how do I reset my  password?", "ä", "list all users"]
ROWS = [
    {"age": 25, "income": 30000.0},
    {"age": 24, "income": 30001},
    {"length": 5, "kind": "a"},
    {"age": None, "ok": True},
]
IMAGES = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in ((64, 64), (64, 64, 3), (28, 28), (100, 80, 3))]
IMAGES += [np.full((64, 64), 200, np.uint8), RNG.random((3, 32, 32)), IMAGES[1]]
VECTORS = [RNG.standard_normal(8) for _ in range(5)] + [np.zeros(8), [1, 2, 3], {"embedding": [1.0, 2.0, 3.0]}]
OUTPUTS = [[0.5, 0.5], [0.9, 0.1], [0.2, 0.3, 0.5], {"logits": [2.0, 1.0]}, {"logprobs": [-0.1, -2.0]}, [0.4, 0.4]]

BAD_TEXTS = [["a", 1], [["a"]], 7, [], object()]
BAD_ROWS = [{}, {"a": float("nan")}, {"a": [1, 2]}, [1.0, float("inf")], {"a": 10**400}]
BAD_IMAGES = [
    np.zeros((2, 2, 2, 2)),
    np.zeros((0, 4)),
    np.full((4, 4), np.nan),
    b"no picture",
    np.full((4, 4), 300),
    [[1, 2], [3]],
]
BAD_VECTORS = [{"embedding": []}, {"embedding": ["a"]}, {"embedding": [[1, 2]]}, [1, "a"], np.array([]), [float("nan")]]


def of(values):
    return [Query(value, timestamp=float(index)) for index, value in enumerate(values)]


def answers(values):
    return [Query("text", model_output=value) for value in values]


GOOD = {
    "confidence": answers(OUTPUTS),
    "text": of(TEXTS + TEXTS[:2]),
    "tabular": of(ROWS + ROWS[:2] + [[1, 2, 3], [1, 2.0, 3]]),
    "image": of(IMAGES),
    "any": of([part for parts in zip(TEXTS, ROWS * 2, IMAGES, VECTORS, strict=False) for part in parts] * 2),
}
BAD = {
    "confidence": answers(
        [[], [-0.1, 1.1], [float("nan"), 1.0], [3.0, 1.0], [[0.5, 0.5]], {"logits": []}, [0, 0], ["a"]]
    ),
    "text": of(BAD_TEXTS),
    "tabular": of(BAD_ROWS),
    "image": of(BAD_IMAGES),
    "any": of([*BAD_ROWS, *BAD_IMAGES, *BAD_VECTORS]),
}
BUILT_IN = sorted(list_detectors())
NAMES = [*BUILT_IN, "length", "bare"]


def kind(name):
    if name in ("confidence", "length", "bare"):
        return {"confidence": "confidence"}.get(name, "text")
    return list_detectors()[name]["modality"]


@pytest.fixture(params=NAMES)
def name(request, own_names):
    register_detector("length", LengthDetector, modality="text", base="custom")
    register_detector("bare", BareDetector, modality="text", base="custom")
    return request.param


@pytest.fixture
def good(name):
    return GOOD[kind(name)]


def test_the_ten_detectors_are_there():
    modalities = ("", "image_", "tabular_", "text_")
    expected = {
        "confidence",
        "exact_repeat",
        *(f"{prefix}{base}" for prefix in modalities for base in ("repetition", "similarity")),
    }
    assert expected == set(BUILT_IN)


def test_scores_are_finite_one_for_each_query(name, good):
    scores = get_detector(name).score(good)
    assert scores.dtype == np.float64
    assert scores.shape == (len(good),)
    assert np.isfinite(scores).all()


def test_counted_scores_fit_the_buckets(name, good):
    detector = get_detector(name)
    observed = detector.observed(detector.score(good))
    assert observed.shape == (len(good),)
    assert list(detector.buckets) == sorted(set(detector.buckets))
    assert (observed <= detector.buckets[-1]).all()


def test_two_detectors_say_the_same(name, good):
    assert get_detector(name).process_batch(good) == get_detector(name).process_batch(good)


def test_a_batch_gives_what_its_queries_give_one_by_one(name, good):
    together, apart = get_detector(name), get_detector(name)
    for one, other in zip(together.process_batch(good), [apart.process(query) for query in good], strict=True):
        assert one.metadata["score"] == pytest.approx(other.metadata["score"], abs=1e-5)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
        assert (one.is_suspicious, one.reason) == (other.is_suspicious, other.reason)
    assert plain(together.get_state()) == plain(apart.get_state())


def plain(state):
    """The state with its floats rounded to what a batch must agree on."""
    return {key: pytest.approx(value, abs=1e-5) if isinstance(value, float) else value for key, value in state.items()}


def test_any_split_into_batches_gives_the_same_scores(name, good):
    whole = get_detector(name).score(good * 3)
    for size in (1, 2, 5, 7):
        detector = get_detector(name)
        parts = [detector.score((good * 3)[start : start + size]) for start in range(0, 3 * len(good), size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_an_empty_batch_gives_nothing_and_changes_nothing(name, good):
    detector = get_detector(name)
    before = detector.get_state()
    assert detector.process_batch([]) == []
    assert detector.get_state() == before


def test_results_are_plain_and_complete(name, good):
    detector = get_detector(name)
    for result in detector.process_batch(good):
        assert set(result.dict()) == {"is_suspicious", "confidence", "reason", "metadata"}
        assert {"detector": name, "threshold": detector.threshold}.items() <= result.metadata.items()
        assert result.is_suspicious is (result.metadata["score"] >= detector.threshold)
        assert type(result) is DetectionResult
        assert (type(result.confidence), type(result.metadata["score"])) == (float, float)
        assert json.loads(json.dumps(result.dict())) == result.dict()
    json.dumps(detector.get_state())


def test_a_result_says_the_same_however_late_it_is_looked_at(name, good):
    detector, other = get_detector(name), get_detector(name)
    late = detector.process_batch(good)
    detector.process_batch(good[::-1])
    detector.threshold, detector.name = 0.123, "another"
    detector.reset_state()
    assert [result.dict() for result in late] == [result.dict() for result in other.process_batch(good)]


def test_one_result_of_a_batch_is_what_the_batch_gives(name, good):
    detector, other = get_detector(name), get_detector(name)
    scores = detector.score(good).tolist()
    assert [detector.explain(index, score) for index, score in enumerate(scores)] == other.process_batch(good)


def test_after_a_reset_everything_is_as_at_the_start(name, good):
    detector = get_detector(name)
    before, first = detector.get_state(), detector.process_batch(good)
    detector.reset_state()
    assert detector.get_state() == before
    assert detector.process_batch(good) == first


@pytest.mark.parametrize("name", [*BUILT_IN, "bare"], indirect=True)
def test_bad_input_is_refused_with_its_position_and_leaves_the_state_alone(name, good):
    for bad in BAD[kind(name)]:
        detector, other = get_detector(name), get_detector(name)
        detector.process_batch(good)
        other.process_batch(good)
        with pytest.raises(InvalidQuery) as refused:
            detector.process_batch([good[0], bad, good[1]])
        assert refused.value.index == 1
        assert refused.value.field in ("input_data", "model_output", "query")
        assert len(refused.value.message) > 10
        assert detector.get_state() == other.get_state()
        assert detector.process_batch(good) == other.process_batch(good)


def test_a_query_without_input_and_answer_is_never_judged(name):
    if name in BUILT_IN:
        with pytest.raises(MissingField, match="cannot judge it: no_"):
            get_detector(name).process(Query(None))


@pytest.mark.parametrize("name", BUILT_IN, indirect=True)
def test_unknown_options_are_refused_and_the_known_ones_named(name):
    with pytest.raises(ValueError, match=f"{name}: unknown option treshold; known: .*threshold"):
        get_detector(name, {"treshold": 1})


@pytest.mark.parametrize("name", BUILT_IN, indirect=True)
@pytest.mark.parametrize("value", ["high", None, float("nan")])
def test_an_option_of_the_wrong_kind_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name}: option threshold: "):
        get_detector(name, {"threshold": value})


@pytest.mark.parametrize("name", BUILT_IN, indirect=True)
def test_a_window_of_no_queries_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: option max_history_size: "):
        get_detector(name, {"max_history_size": 0})


def test_the_threshold_flags_from_its_own_value_on(name, good):
    scores = get_detector(name).score(good)
    middle = float(np.sort(scores)[len(scores) // 2])
    if name in BUILT_IN and "repetition" in name:
        middle = max(middle, 1.0)
    results = get_detector(name, {"threshold": middle}).process_batch(good)
    assert [result.is_suspicious for result in results] == (scores >= middle).tolist()
    assert any(result.is_suspicious for result in results)


def test_the_window_is_counted(name, good):
    detector = get_detector(name)
    assert detector.window_queries() == 0
    detector.score(good)
    if name in BUILT_IN:
        assert detector.window_queries() == min(len(good), 100)


def test_a_bare_detector_comes_out_whole_and_can_be_reached(own_names):
    register_detector("bare", BareDetector, modality="text", base="custom")
    detector = get_detector("bare", {"threshold": 0.02})
    assert isinstance(detector, Adapted)
    assert detector.process(Query("aeiou")).reason == "bare: score = 0.0500, threshold = 0.0200"
    assert detector.seen == 1
    with pytest.raises(AttributeError):
        _ = detector.nothing_like_this


def test_words_and_reasons_of_a_bare_detector_are_its_own(own_names):
    class Wordy(BareDetector):
        buckets = (1, 2)

        def missing(self, query):
            return "no_input" if query.input_data is None else None

        def explain(self, index, score):
            return DetectionResult(True, 1.0, "because", {})

    register_detector("wordy", Wordy, modality="text", base="custom")
    detector = get_detector("wordy")
    assert detector.buckets == (1, 2)
    assert detector.process(Query("a")).reason == "because"
    with pytest.raises(MissingField, match="wordy cannot judge it: no_input"):
        detector.process(Query(None))


def test_a_detector_without_a_score_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Empty defines neither score"):
        type("Empty", (Detector,), {})().process(Query("a"))


def test_a_prediction_of_one_s_own_is_used():
    class Sure(Detector):
        def _compute_score(self, query):
            return 0.7

        def _make_prediction(self, score):
            return DetectionResult(score > 0.5, 1.0, "sure", {})

    facts = {"detector": "detector", "score": 0.7, "threshold": 0.5}
    assert Sure().process(Query("a")) == DetectionResult(True, 1.0, "sure", facts)


def test_a_prediction_of_one_s_own_still_names_detector_score_and_threshold():
    class Terse(LengthDetector):
        def _make_prediction(self, score):
            return DetectionResult(np.bool_(score > 2), np.float32(score), "terse", {"threshold": "mine", "note": 1})

    [result] = Terse({"threshold": 2}).process_batch([Query("abc")])
    assert json.loads(json.dumps(result.dict())) == result.dict()
    assert result.metadata == {"detector": "length", "score": 0.75, "threshold": 2.0, "note": 1}


def test_a_threshold_that_a_bare_detector_learns_is_the_one_that_flags(own_names):
    register_detector("bare", BareDetector, modality="text", base="custom")
    detector = get_detector("bare")
    detector.detector.threshold = 10_000.0
    result = detector.process(Query("abc"))
    assert (result.is_suspicious, result.metadata["threshold"]) == (False, 10_000.0)
    detector.threshold = 0.0
    assert detector.process(Query("abc")).is_suspicious


def test_a_batch_may_come_from_a_generator(name, good):
    results = get_detector(name).process_batch(query for query in good)
    assert results == get_detector(name).process_batch(good)
    assert results


def test_an_option_may_be_what_numpy_computed():
    assert get_detector("similarity", {"threshold": np.float32(0.5), "max_history_size": np.int64(7)}).threshold == 0.5


def test_words_of_one_s_own_for_arrays_are_used_in_batches_and_alone():
    class Halves(Detector):
        name = "halves"

        def score(self, batch):
            return np.array([query.input_data for query in batch])

        def confidences(self, scores):
            return scores / 2

        def explainer(self):
            return lambda index, score: (f"{score} at {index}", {"index": index})

    results = Halves().process_batch(of([0.2, 0.6]))
    assert results == [
        DetectionResult(False, 0.1, "0.2 at 0", {"detector": "halves", "score": 0.2, "threshold": 0.5, "index": 0}),
        DetectionResult(True, 0.3, "0.6 at 1", {"detector": "halves", "score": 0.6, "threshold": 0.5, "index": 1}),
    ]
    assert Halves().explain(1, 0.6) == results[1]


@pytest.mark.parametrize("scores", [[float("nan")], [float("inf")], [1.0, 2.0], 1.0, []])
def test_scores_that_are_not_one_finite_number_a_query_are_an_error_and_never_clean(scores):
    with pytest.raises(ValueError, match=r"a score is|got scores of shape"):
        checked(scores, 1)


def test_an_error_in_a_batch_names_the_query():
    with pytest.raises(InvalidQuery, match="query 1: input_data: expected a text"):
        LengthDetector().process_batch(of(["a", 1]))


@pytest.mark.parametrize("name", BUILT_IN, indirect=True)
def test_a_restart_anywhere_changes_no_later_score(name, good):
    batches = [good[start : start + 3] for start in range(0, len(good), 3)] * 4
    for config in ({}, {"max_history_size": 5}):
        assert_goes_on(lambda config=config: get_detector(name, config), batches, range(0, len(batches), 2))


@pytest.mark.parametrize("name", BUILT_IN, indirect=True)
def test_a_state_does_not_change_when_the_detector_goes_on(name, good):
    detector = get_detector(name, {"max_history_size": 5})
    detector.score(good[:3])
    state, rows = detector.dump_state(), kept(detector)[1]
    expected = restarted(detector, get_detector(name, {"max_history_size": 5}))
    detector.score(good * 2)
    other = get_detector(name, {"max_history_size": 5})
    other.load_state(state, reader(rows))
    assert other.score(good).tolist() == expected.score(good).tolist()


@pytest.mark.parametrize("name", BUILT_IN, indirect=True)
@pytest.mark.parametrize("damage", ["format", "size", "short", "kind", "nothing"])
def test_a_state_that_does_not_fit_is_refused_in_words_and_leaves_the_detector_empty(name, good, damage):
    detector, fresh = get_detector(name), get_detector(name)
    detector.score(good)
    state, rows = detector.dump_state(), kept(detector)[1]
    state = {
        "format": {**state, "format": "another 7"},
        "size": {**state, "max_history_size": 3},
        "short": dict(list(state.items())[:-1]),
        "kind": {key: 7 if isinstance(value, (list, dict)) else value for key, value in state.items()},
        "nothing": None,
    }[damage]
    with pytest.raises(ValueError, match=r"the state|expected the state"):
        detector.load_state(state, reader(rows))
    assert detector.get_state() == fresh.get_state()
    assert detector.score(good).tolist() == fresh.score(good).tolist()


@pytest.mark.parametrize("name", ["length", "bare"], indirect=True)
def test_a_detector_of_one_s_own_keeps_nothing_unless_it_says_so(name, good):
    detector = get_detector(name)
    detector.score(good)
    assert detector.dump_state() is None
    assert detector.row_spaces() == {}
    with pytest.raises(KeyError):
        detector.rows_since("a", 0, 1)
    with pytest.raises(ValueError, match="cannot take a state back"):
        detector.load_state({})
    assert detector.get_state() == get_detector(name).get_state()


@pytest.mark.parametrize("base", [LengthDetector, BareDetector])
def test_a_detector_of_one_s_own_can_keep_its_state(base, own_names):
    class Keeping(base):
        def dump_state(self):
            return self.get_state()

        def load_state(self, state):
            vars(self).update(state)

    register_detector("keeping", Keeping, modality="text", base="custom")
    detector = get_detector("keeping")
    detector.score(GOOD["text"][:2])
    assert restarted(detector, get_detector("keeping")).get_state() == detector.get_state()
