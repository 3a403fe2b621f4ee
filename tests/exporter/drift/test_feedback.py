"""True labels: joined to their predictions once, bounded, and what they say of the model."""

from typing import Any

import msgspec
import pytest

from detectors import Query
from detectors.drift.concept import LEARNED
from exporter.drift.feedback import RECENT, WAITING, Feedback


def answered(count: int, label: Any = "spam", start: int = 0) -> list[Query]:
    return [Query("q", {"label": label}, id=str(index)) for index in range(start, start + count)]


def test_a_true_label_is_joined_to_its_prediction_once() -> None:
    feedback = Feedback()
    assert feedback.accuracy is None
    feedback.remember(answered(2))
    assert feedback.tell("0", "spam", 5.0) == "joined"
    assert feedback.tell("0", "spam", 6.0) == "unknown"
    assert feedback.tell("nobody", "spam", 6.0) == "unknown"
    assert (feedback.accuracy, feedback.last) == (1.0, 5.0)
    assert feedback.tell("1", "ham", 7.0) == "joined"
    assert feedback.accuracy == 0.5


@pytest.mark.parametrize(
    ("output", "truth"),
    [([0.1, 0.9], 1), ([0.1, 0.9], 1.0), ([0.1, 0.9], "1"), ({"label": 3}, 3), ({"label": 3.0}, 3), ("yes", "yes")],
)
def test_labels_are_compared_as_texts(output: Any, truth: Any) -> None:
    feedback = Feedback()
    feedback.remember([Query("q", output, id="a")])
    feedback.tell("a", truth, 0.0)
    assert feedback.accuracy == 1.0


@pytest.mark.parametrize(
    "query", [Query("q", {"label": "x"}), Query("q", id="a"), Query("q", {"text": "words"}, id="a")]
)
def test_queries_without_an_id_or_a_label_wait_for_nothing(query: Query) -> None:
    feedback = Feedback()
    feedback.remember([query])
    assert feedback.tell("a", "x", 0.0) == "unknown"


def test_the_oldest_predictions_are_forgotten_first_and_an_id_stands_for_its_last_one() -> None:
    feedback = Feedback()
    feedback.remember(answered(WAITING))
    feedback.remember([Query("q", {"label": "ham"}, id="0"), *answered(2, start=WAITING)])
    assert [feedback.tell(name, "ham", 0.0) for name in ("1", "2", "0", "3")] == [
        "unknown",
        "unknown",
        "joined",
        "joined",
    ]
    assert feedback.accuracy == 0.5


def test_the_accuracy_is_that_of_the_last_ones_and_its_fall_is_drift() -> None:
    feedback = Feedback()
    feedback.remember(answered(LEARNED + 2 * RECENT))
    for index in range(LEARNED + 2 * RECENT):
        feedback.tell(str(index), "spam" if index < LEARNED + RECENT or index % 2 else "ham", float(index))
    assert feedback.accuracy == 0.5
    assert feedback.test.usual == 0.0
    assert feedback.test.drifted


def test_feedback_goes_on_from_its_dump() -> None:
    feedback = Feedback()
    feedback.remember(answered(50))
    for index in range(0, 40, 2):
        feedback.tell(str(index), "spam" if index % 4 else "ham", 1.0)
    again = Feedback.load(msgspec.msgpack.decode(msgspec.msgpack.encode(feedback.dump())))
    assert again.dump() == feedback.dump()
    assert again.accuracy == feedback.accuracy == 0.5
    with pytest.raises(ValueError, match="lacks"):
        Feedback.load({})
