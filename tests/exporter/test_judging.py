"""Judging: queries through the detectors of a model, and what came of it."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from detectors import Detector, Query
from exporter.config import Config, DetectorConfig
from exporter.delivery import Outcome
from exporter.judging import judge
from exporter.models import Models
from exporter.tally import Tally
from exporter.watched_model import WatchedModel
from tests.exporter.conftest import CONFIDENCE, SURE, UNSURE, LengthDetector

Build = Callable[..., Config]
Register = Callable[[str, type], None]


def watched(config: Config) -> WatchedModel:
    return Models(config).of(None)


def ask(model: WatchedModel, *inputs: Any, outputs: Sequence[Any] = ()) -> list[list[Outcome]]:
    """Judge inputs as one batch; what was said of each."""
    answers = [*outputs, *[None] * (len(inputs) - len(outputs))]
    queries = [Query(text, model_output=answer) for text, answer in zip(inputs, answers, strict=True)]
    said: list[list[Outcome]] = [[] for _ in queries]
    judge(model, queries, dict(enumerate(said)), defaultdict(float))
    return said


def statuses(said: list[list[Outcome]]) -> list[list[str]]:
    return [[outcome.status for outcome in outcomes] for outcomes in said]


def counts(tally: Tally) -> dict[str, int]:
    """What was counted of a detector, zeros left out."""
    found = {"judged": tally.judgements, "flagged": tally.flags, "observed": int(tally.scores.sum())}
    return {name: n for name, n in {**found, **tally.skipped, **tally.errors}.items() if n}


def test_scores_at_the_threshold_and_above_are_flagged(config: Build, length: DetectorConfig) -> None:
    model = watched(config(length))
    said = ask(model, "1234", "12345", "123456")
    assert [outcomes[0].is_suspicious for outcomes in said] == [False, True, True]
    assert counts(model.tallies[0]) == {"judged": 3, "flagged": 2, "observed": 3}
    assert (model.queries, model.suspicious) == (3, 2)


def test_a_query_that_two_detectors_flag_is_one_suspicious_query(config: Build, length: DetectorConfig) -> None:
    model = watched(config(length, CONFIDENCE))
    ask(model, "a long text", "short", "s", outputs=[UNSURE, SURE, UNSURE])
    assert [tally.flags for tally in model.tallies] == [2, 2]
    assert (model.queries, model.suspicious) == (3, 3)
    ask(model, "a long text", outputs=[UNSURE])
    assert model.suspicious == 4


def test_the_words_of_a_result_name_detector_score_and_threshold(config: Build, length: DetectorConfig) -> None:
    [[outcome]] = ask(watched(config(length)), "abc")
    assert outcome.status == "ok"
    assert outcome.metadata == {"detector": "length", "score": 3.0, "threshold": 5.0}
    assert outcome.reason == "length: score = 3.0000, threshold = 5.0000"


def test_a_query_that_a_detector_cannot_judge_is_skipped_with_a_reason(config: Build, length: DetectorConfig) -> None:
    model = watched(config(CONFIDENCE, length))
    said = ask(model, "a", "b", "c", outputs=[UNSURE, None, SURE])
    assert statuses(said) == [["ok", "ok"], ["skipped", "ok"], ["ok", "ok"]]
    assert said[1][0].reason == "no_probabilities"
    assert [counts(tally) for tally in model.tallies] == [
        {"judged": 2, "flagged": 1, "observed": 2, "no_probabilities": 1},
        {"judged": 3, "observed": 3},
    ]
    assert (model.queries, model.suspicious) == (3, 1)


def test_the_flag_stands_at_the_query_that_earned_it_when_others_are_skipped(config: Build) -> None:
    said = ask(watched(config(CONFIDENCE)), "a", "b", "c", outputs=[None, SURE, UNSURE])
    flagged = [outcomes[0].is_suspicious for outcomes in said[1:] if outcomes[0].status == "ok"]
    assert flagged == [False, True]


def test_a_batch_of_skipped_queries_is_counted_and_judged_by_nobody(config: Build) -> None:
    model = watched(config(CONFIDENCE))
    assert statuses(ask(model, "a", "b")) == [["skipped"], ["skipped"]]
    assert counts(model.tallies[0]) == {"no_probabilities": 2}
    assert (model.queries, model.suspicious) == (2, 0)


def test_a_query_that_breaks_a_detector_takes_no_other_along(
    config: Build, length: DetectorConfig, caplog: pytest.LogCaptureFixture
) -> None:
    model = watched(config(length, CONFIDENCE))
    with caplog.at_level(logging.WARNING):
        said = ask(model, "a", "boom", "123456", outputs=[SURE, UNSURE, SURE])
    assert statuses(said) == [["ok", "ok"], ["error", "ok"], ["ok", "ok"]]
    assert [counts(tally) for tally in model.tallies] == [
        {"judged": 2, "flagged": 1, "observed": 2, "exception": 1},
        {"judged": 3, "flagged": 1, "observed": 3},
    ]
    assert (model.queries, model.suspicious) == (3, 2)
    assert said[1][0].reason.startswith("RuntimeError: ")
    assert "stays out" not in caplog.text
    assert [record.error for record in caplog.records] == ["RuntimeError"]  # type: ignore[attr-defined]


def test_an_answer_that_is_wrong_after_all_is_an_error_and_never_unsuspicious(config: Build) -> None:
    model = watched(config(CONFIDENCE))
    said = ask(model, "a", "b", outputs=[[2.0, -1.0], UNSURE])
    assert statuses(said) == [["error"], ["ok"]]
    assert counts(model.tallies[0]) == {"judged": 1, "flagged": 1, "observed": 1, "invalid_input": 1}


def test_a_score_that_is_no_number_is_an_error(config: Build, length: DetectorConfig) -> None:
    model = watched(config(length))
    said = ask(model, "123456", "nan", "a")
    assert statuses(said) == [["ok"], ["error"], ["ok"]]
    [tally] = model.tallies
    assert (tally.judgements, tally.flags, int(tally.scores.sum()), sum(tally.errors.values())) == (2, 1, 2, 1)
    assert np.isfinite(tally.score_sum)


def broken(method: str) -> type[Detector]:
    """A length detector of which one method raises for every batch with "boom" in it, without knowing the place."""

    class Broken(LengthDetector):
        def score(self, batch: Sequence[Query]) -> np.ndarray:
            self.last = [query.input_data for query in batch]
            return np.array([float(len(text)) for text in self.last])

    def fail(self: Any, *arguments: Any) -> Any:
        if method == "missing" and arguments[0].input_data != "boom":
            return None
        if method == "observed" and "boom" not in self.last:
            return arguments[0]
        if method == "explain" and self.last[arguments[0]] != "boom":
            return self._make_prediction(arguments[1])
        raise RuntimeError(method)

    setattr(Broken, method, fail)
    return Broken


@pytest.mark.parametrize("method", ["missing", "explain"])
def test_an_error_beside_the_score_is_an_error_of_that_query_alone(
    config: Build, register: Register, method: str
) -> None:
    register("broken", broken(method))
    model = watched(config(DetectorConfig(name="broken", options={"threshold": 5}), CONFIDENCE))
    said = ask(model, "a", "boom", "c", outputs=[SURE] * 3)
    assert statuses(said) == [["ok", "ok"], ["error", "ok"], ["ok", "ok"]]
    assert model.tallies[0].errors["exception"] == 1
    assert model.tallies[1].judgements == 3
    assert said[1][0].reason == f"RuntimeError: {method}"


def test_scores_whose_observation_fails_are_counted_as_they_are(config: Build, register: Register) -> None:
    register("broken", broken("observed"))
    model = watched(config(DetectorConfig(name="broken", options={"threshold": 5})))
    assert statuses(ask(model, "a", "boom")) == [["ok"], ["ok"]]
    assert counts(model.tallies[0]) == {"judged": 2, "observed": 2, "exception": 1}
    assert model.tallies[0].score_sum == 5.0


@pytest.mark.parametrize(
    "scores", [[1.0], [[1.0], [2.0]], "no scores", None], ids=["too few", "two-dimensional", "text", "nothing"]
)
def test_scores_of_another_shape_are_errors(config: Build, register: Register, scores: Any) -> None:
    class Shapeless(LengthDetector):
        def score(self, batch: Sequence[Query]) -> Any:
            return scores if len(batch) > 1 else [*[0.0] * 2]

    register("shapeless", Shapeless)
    model = watched(config(DetectorConfig(name="shapeless")))
    assert statuses(ask(model, "a", "b")) == [["error"], ["error"]]
    assert counts(model.tallies[0]) == {"exception": 2}


def test_a_bare_detector_without_words_of_its_own_is_enough(config: Build, register: Register) -> None:
    class Bare:
        def __init__(self, options: Any) -> None:
            self.threshold = 2.0

        def score(self, batch: Sequence[Query]) -> np.ndarray:
            return np.array([float(len(query.input_data)) for query in batch])

        def get_state(self) -> dict[str, Any]:
            return {}

        def reset_state(self) -> None:
            pass

    register("bare", Bare)
    [[outcome]] = ask(watched(config(DetectorConfig(name="bare"))), "abc")
    assert outcome.is_suspicious is True
    assert outcome.metadata == {"detector": "bare", "score": 3.0, "threshold": 2.0}


def test_an_unknown_reason_to_skip_is_counted_under_a_known_one(config: Build, register: Register) -> None:
    class Picky(LengthDetector):
        def missing(self, query: Query) -> str | None:
            return 'mood"}\n'

    register("picky", Picky)
    model = watched(config(DetectorConfig(name="picky")))
    [[outcome]] = ask(model, "a")
    assert (outcome.status, outcome.reason) == ("skipped", "not_applicable")
    assert counts(model.tallies[0]) == {"not_applicable": 1}


def test_only_those_that_somebody_asked_about_are_explained(config: Build, length: DetectorConfig) -> None:
    model, said = watched(config(length)), []
    judge(model, [Query("a"), Query("ab"), Query("abc")], {1: said}, defaultdict(float))
    [outcome] = said
    assert outcome.status == "ok"
    assert outcome.metadata["score"] == 2.0
    assert model.tallies[0].judgements == 3


def test_queries_without_a_client_and_the_time_of_judging_are_counted(config: Build) -> None:
    model = watched(config(CONFIDENCE))
    seconds: defaultdict[str, float] = defaultdict(float)
    judge(model, [Query("a", client="c"), Query("b"), Query("c")], {}, seconds)
    assert model.without_client == 2
    assert list(seconds) == ["confidence"]
    assert seconds["confidence"] >= 0


def test_a_batch_gives_what_its_queries_give_one_by_one(config: Build, length: DetectorConfig) -> None:
    inputs, outputs = ["a", "boom", "nan", "123456", "b"], [SURE, UNSURE, None, UNSURE, [2.0]]
    together, alone = watched(config(length, CONFIDENCE)), watched(config(length, CONFIDENCE))
    said = ask(together, *inputs, outputs=outputs)
    single = [ask(alone, text, outputs=[output])[0] for text, output in zip(inputs, outputs, strict=True)]
    assert statuses(said) == statuses(single)
    assert [counts(tally) for tally in together.tallies] == [counts(tally) for tally in alone.tallies]
    assert (together.queries, together.suspicious) == (alone.queries, alone.suspicious)
