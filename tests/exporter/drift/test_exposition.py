"""What is exposed: nothing before it is known, few features, safe names, no series twice."""

from collections.abc import Callable

from msgspec.structs import replace

from detectors import Query
from exporter.drift.exposition import TOP, lines
from exporter.drift.judge import DriftJudge
from exporter.labels import label_value
from tests.exporter.drift.conftest import QUICK, see, table

Build = Callable[..., DriftJudge]


def names(judge: DriftJudge) -> set[str]:
    return {name for name, _, _ in lines(judge, label_value)}


def value(judge: DriftJudge, wanted: str, **labels: str) -> float:
    [found] = [value for name, value, other in lines(judge, label_value) if (name, other) == (wanted, labels)]
    return found


def test_a_cold_judge_claims_no_severity(judge: Build) -> None:
    assert names(judge()) == {"warm_up_ratio", "drift_windows_total"}


def test_a_window_is_exposed_with_the_features_that_moved_most(judge: Build) -> None:
    warm = judge()
    see(warm, table(1, 300))
    see(warm, table(2, 300, start=20.0, moved=1.0))
    assert value(warm, "drift_severity_level") == 3
    assert value(warm, "drift_features", state="drifted") == 1
    assert value(warm, "drift_features", state="tested") == 5
    assert 0.6 < value(warm, "drift_score", feature="amount", method="wasserstein") < 1.4
    assert value(warm, "reference_info", source="first", reference_version="1") == 1
    assert value(warm, "drift_last_window_timestamp_seconds") == 40.0
    assert value(warm, "warm_up_ratio", detector="drift") == 1


def test_the_version_of_a_reference_is_shown_in_characters_that_are_safe_in_messages(judge: Build) -> None:
    warm = judge(replace(QUICK, reference=replace(QUICK.reference, version="<b>\n")))
    see(warm, table(1, 300))
    assert value(warm, "reference_info", source="first", reference_version="_b__") == 1


def test_few_features_are_shown_under_safe_names_and_none_twice(judge: Build) -> None:
    wide = judge()
    for start in (0.0, 20.0):
        rows = [{f'<b>"{index}': float(place * index % 97) for index in range(30)} for place in range(300)]
        rows = [{**row, "a b": row['<b>"1'] + start, "a_b": row['<b>"2'] + start} for row in rows]
        see(wide, [Query(row, timestamp=start + place / 15) for place, row in enumerate(rows)])
    scores = [tuple(other.items()) for name, _, other in lines(wide, label_value) if name == "drift_score"]
    features = {dict(labels)["feature"] for labels in scores}
    assert len(scores) == len(set(scores))
    assert len(features) == TOP
    assert "a_b" in features
    assert not any(set(feature) & set('<>" ') for feature in features)


def test_accuracy_is_there_with_the_first_label_and_drift_of_it_once_the_usual_one_is_known(judge: Build) -> None:
    warm = judge()
    see(warm, table(1, 600))
    warm.feedback.tell("1-0", "1", 0.0)
    assert value(warm, "model_accuracy_ratio") == 1.0
    assert not names(warm) & {"model_accuracy_usual_ratio", "concept_drift_active"}
    for index in range(1, 600):
        warm.feedback.tell(f"1-{index}", "1", 0.0)
    assert value(warm, "model_accuracy_usual_ratio") == 1.0
    assert value(warm, "concept_drift_active") == 0
