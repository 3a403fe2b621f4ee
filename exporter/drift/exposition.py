"""What is exposed of the drift of one model: metric names without the prefix, values and labels."""

from collections.abc import Callable, Iterator

from exporter.drift.judge import WINDOW_RESULTS, DriftJudge, Looked

#: features of the last window whose scores are exposed, the most drifted first
TOP = 5
Line = tuple[str, float, dict[str, str]]


def lines(judge: DriftJudge, label_value: Callable[[str], str]) -> list[Line]:
    """The samples of one model, without its own label. label_value: makes names from outside safe.

    What is not known yet is not there: before the first window no severity is claimed.
    """
    return [
        *_progress(judge, label_value),
        *(_result(judge.looked, label_value) if judge.looked else ()),
        *_truth(judge),
    ]


def _progress(judge: DriftJudge, label_value: Callable[[str], str]) -> Iterator[Line]:
    yield "warm_up_ratio", judge.warm_up, {"detector": "drift"}
    for result in WINDOW_RESULTS:
        yield "drift_windows_total", judge.windows[result], {"result": result}
    if judge.reference is not None:
        version = label_value(judge.reference.version)
        yield "reference_info", 1, {"source": judge.reference.source, "reference_version": version}


def _result(looked: Looked, label_value: Callable[[str], str]) -> Iterator[Line]:
    verdict = looked.verdict
    yield "drift_severity_level", verdict.severity, {}
    yield "drift_features", len(verdict.drifted), {"state": "drifted"}
    yield "drift_features", len(verdict.tested), {"state": "tested"}
    yield "drift_last_window_timestamp_seconds", looked.time, {}
    shown: set[str] = set()
    for finding in (*verdict.drifted, *verdict.tested):
        feature = label_value(finding.feature)
        if feature not in shown and len(shown) < TOP:  # two names may become one
            shown.add(feature)
            for method, score in finding.scores.items():
                yield "drift_score", score, {"feature": feature, "method": method}


def _truth(judge: DriftJudge) -> Iterator[Line]:
    feedback = judge.feedback
    if feedback.accuracy is None:
        return
    yield "model_accuracy_ratio", feedback.accuracy, {}
    if feedback.test.usual is not None:
        yield "model_accuracy_usual_ratio", 1.0 - feedback.test.usual, {}
        yield "concept_drift_active", feedback.test.drifted, {}
