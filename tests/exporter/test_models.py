"""The watched models, and which names get a label of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Query
from exporter import models as module
from exporter.config import (
    RESERVED_MODEL,
    Config,
    Defaults,
    DetectorConfig,
    Drift,
    DriftReference,
    DriftWindow,
    Limits,
    Model,
)
from exporter.labels import label_value
from exporter.models import QUERIES_BEFORE_LABEL, Models, Tally
from exporter.registration import RegisteredModel
from tests.exporter.conftest import CONFIDENCE

Build = Callable[..., Config]


def use(models: Models, name: str | None, times: int = QUERIES_BEFORE_LABEL) -> str:
    """The label under which the last of so many queries of a name is counted."""
    return [models.of(name).name for _ in range(times)][-1]


# -- labels


@given(st.text())
def test_a_label_value_is_1_to_128_safe_characters(text: str) -> None:
    label = label_value(text)
    assert 1 <= len(label) <= 128
    assert set(label) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@-")


def test_a_safe_name_is_its_own_label_and_all_else_is_replaced() -> None:
    assert label_value("gpt-4o/eu:1@x.y_z") == "gpt-4o/eu:1@x.y_z"
    assert label_value('a"}\n{é\0b') == "a______b"
    assert label_value("") == "_"
    assert label_value("x" * 129) == "x" * 128


# -- admission


def test_without_configured_models_the_unnamed_one_is_there_from_the_start(config: Build) -> None:
    models = Models(config())
    assert list(models.by_label) == ["default"]
    assert models.of(None) is models.of("") is models.of("default")


def test_the_only_configured_model_gets_the_queries_that_name_none(config: Build) -> None:
    models = Models(config(models=(Model(name="fraud"),)))
    assert list(models.by_label) == ["fraud"]
    assert models.of(None).name == "fraud"


def test_a_model_that_is_registered_besides_takes_no_queries_that_name_none(config: Build) -> None:
    models = Models(config(models=(Model(name="fraud"), RegisteredModel(name="bot"))))
    assert list(models.by_label) == ["fraud", "bot"]
    assert models.of(None).name == "fraud"
    assert Models(config(models=(RegisteredModel(name="bot"),))).of(None).name == "default"


def test_with_several_configured_models_a_query_that_names_none_is_default(config: Build) -> None:
    models = Models(config(models=(Model(name="a"), Model(name="b"))))
    assert list(models.by_label) == ["a", "b"]
    assert models.of(None).name == "default"


def test_another_name_gets_its_own_label_with_its_twentieth_query(config: Build) -> None:
    models = Models(config())
    labels = [models.of("new").name for _ in range(21)]
    assert labels == [RESERVED_MODEL] * 19 + ["new"] * 2
    assert models.folded == 19


def test_names_beyond_the_limit_are_counted_as_other(config: Build) -> None:
    models = Models(config(models=(Model(name="a"), Model(name="b")), limits=Limits(models=3)))
    assert use(models, "third") == "third"
    assert use(models, "fourth", 100) == RESERVED_MODEL
    assert [use(models, name, 1) for name in ("a", "b")] == ["a", "b"]


def test_the_reserved_name_is_never_a_model_of_its_own(config: Build) -> None:
    models = Models(config())
    assert use(models, RESERVED_MODEL, 100) == RESERVED_MODEL
    assert models.folded == 100


def test_unsafe_names_share_the_label_that_they_come_to(config: Build) -> None:
    models = Models(config())
    use(models, "a b", 10)
    assert use(models, "a\nb", 10) == "a_b"
    assert models.of("a b") is models.of("a\nb") is models.of("a_b")


def test_a_flood_of_names_stays_within_bounds(config: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 100)
    models = Models(config())
    for number in range(1000):
        assert models.of(f"flood{number}").name == RESERVED_MODEL
        assert len(models._candidates) <= 100
    assert set(models.by_label) == {"default", RESERVED_MODEL}
    assert models.folded == 1000
    assert use(models, "real") == "real"


def test_to_ask_for_a_label_counts_nothing(config: Build) -> None:
    models = Models(config())
    for _ in range(100):
        assert models.label_of("new").name == RESERVED_MODEL
    assert models.label_of(None).name == "default"
    assert models.folded == 0


# -- expiry


def test_a_model_that_earned_its_label_is_forgotten_after_a_silent_day_and_a_configured_one_never(
    config: Build,
) -> None:
    models = Models(config(models=(Model(name="kept"), Model(name="kept too"))))
    use(models, "earned")
    for model in models.by_label.values():
        model.last_query = 1000.0
    models.expire(1000.0 + 86_400)
    assert "earned" in models.by_label
    models.expire(1001.0 + 86_400)
    assert list(models.by_label) == ["kept", "kept too"]
    assert use(models, "earned", 1) == RESERVED_MODEL


# -- reload


def test_after_a_reload_counts_windows_and_candidates_go_on(config: Build) -> None:
    before = Models(config())
    use(before, "earned")
    use(before, "nearly", 19)
    model = before.of("earned")
    model.queries, model.last_query = 7, 5.0
    model.tallies[0].judgements = 3
    after = Models(config(), previous=before)
    assert after.folded == before.folded == 38
    assert (after.of("earned").queries, after.of("earned").last_query) == (7, 5.0)
    assert after.of("earned").tallies[0].judgements == 3
    assert after.of("earned").tallies[0].detector is model.tallies[0].detector
    assert use(after, "nearly", 1) == "nearly"


def test_a_detector_with_other_options_begins_anew(config: Build) -> None:
    before = Models(config())
    before.of(None).tallies[0].judgements = 3
    changed = config(DetectorConfig(name="confidence", options={"threshold": 0.25}))
    [tally] = Models(changed, previous=before).of(None).tallies
    assert (tally.judgements, tally.detector.threshold) == (0, 0.25)


def test_earned_labels_beyond_a_smaller_limit_are_given_back(config: Build) -> None:
    before = Models(config())
    for name in ("a", "b", "c"):
        use(before, name)
    before.of(RESERVED_MODEL).queries = 5
    after = Models(config(limits=Limits(models=2)), previous=before)
    assert list(after.by_label) == ["default", RESERVED_MODEL, "a"]
    assert after.of(RESERVED_MODEL).queries == 5


# -- drift


def drifting(**drift: Any) -> Config:
    return Config(defaults=Defaults(detectors=(CONFIDENCE,), drift=Drift(**drift)))


def test_a_reload_keeps_the_drift_judge_unless_something_changed_for_it() -> None:
    before = Models(drifting())
    judge = before.of(None).drift
    assert judge is not None
    judge.observe([Query({"a": 1.0}, {"label": "x"}, id="q", timestamp=5.0)])
    assert Models(drifting(), previous=before).of(None).drift is judge
    changed = Models(drifting(window=DriftWindow(queries=7)), previous=before)
    anew = changed.of(None).drift
    assert anew is not None
    assert anew is not judge
    assert anew.warm_up == judge.warm_up
    assert anew.feedback.tell("q", "x", 6.0) == "joined"
    assert changed.worker is before.worker


def test_drift_that_is_switched_off_is_not_looked_for_and_what_was_kept_of_it_is_ignored() -> None:
    kept = Models(drifting()).dump()
    off = Models(drifting(enabled=False))
    assert off.of(None).drift is None
    assert off.load(kept, lambda *rows: np.zeros((0, 0)))


def test_windows_of_a_replay_are_tested_and_not_counted() -> None:
    models = Models(drifting(reference=DriftReference(queries=100, interval=1.0), window=DriftWindow(queries=100)))
    judge = models.of(None).drift
    assert judge is not None
    judge.observe([Query({"a": 1.0}, timestamp=float(second)) for second in range(300)])
    models.observe_anew()
    assert judge.looked is not None
    assert set(judge.windows.values()) == {0}


def test_a_broken_dump_of_drift_begins_it_anew_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    models = Models(drifting())
    models.of(None).queries = 3
    state = models.dump()
    state["models"][0]["drift"] = {"feedback": 5}
    again = Models(drifting())
    assert again.load(state, lambda *rows: np.zeros((0, 0)))
    assert again.of(None).queries == 3
    assert "the reference for drift begins anew" in caplog.text


# -- tallies


def tally() -> Tally:
    [made] = Models(Config(defaults=Defaults(detectors=(CONFIDENCE,)))).of(None).tallies
    return made


@given(st.lists(st.floats(-1, 2), max_size=50))
@settings(deadline=None)
def test_scores_are_counted_as_by_a_naive_loop(scores: list[float]) -> None:
    counted = tally()
    bounds = counted.bounds.tolist()
    expected = [0] * (len(bounds) + 1)
    for score in scores:
        expected[next((place for place, bound in enumerate(bounds) if score <= bound), len(bounds))] += 1
    half = len(scores) // 2
    for part in (scores[:half], scores[half:]):
        counted.observe(np.array(part), sum(part), [Query("a")] * len(part))
    assert counted.scores.tolist() == expected
    assert counted.score_sum == pytest.approx(sum(scores))


def test_a_score_on_a_bound_belongs_to_the_bucket_below() -> None:
    counted = tally()
    counted.observe(counted.bounds.copy(), float(counted.bounds.sum()), [Query("a")] * len(counted.bounds))
    assert counted.scores.tolist() == [1] * len(counted.bounds) + [0]


def test_each_bucket_keeps_the_last_query_that_has_an_id() -> None:
    counted = tally()
    queries: list[Any] = [Query("a", id="first", timestamp=1.0), Query("b", id="last", timestamp=2.0)]
    counted.observe(np.array([0.01, 0.02]), 0.03, queries)
    assert counted.exemplars[0] == ("last", 0.02, 2.0)
    assert counted.exemplars[1:] == [None] * len(counted.bounds)


def test_a_snapshot_stands_still_while_counting_goes_on() -> None:
    counted = tally()
    taken = counted.snapshot()
    counted.observe(np.array([0.5]), 0.5, [Query("a", id="x")])
    counted.skipped["no_input"] += 1
    counted.errors["exception"] += 1
    assert taken.scores.sum() == 0
    assert not any(taken.exemplars)
    assert (taken.skipped["no_input"], taken.errors["exception"]) == (0, 0)
