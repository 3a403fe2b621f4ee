"""The watched models, and which names get a label of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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
from exporter.models import QUERIES_BEFORE_LABEL, Models
from exporter.registration import RegisteredModel
from tests.exporter.conftest import CONFIDENCE

Build = Callable[..., Config]


def use(models: Models, name: str | None, times: int = QUERIES_BEFORE_LABEL) -> str:
    """The label under which the last of so many queries of a name is counted."""
    return [models.of(name).name for _ in range(times)][-1]


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
