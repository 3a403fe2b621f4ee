"""What is noticed besides flagged queries, as rows of the history: alarms, drift, and what was measured.

Called on the threads that notice it; never fails and never waits, so that they go on without a history.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from detectors.drift.decision import LEVELS, NONE
from exporter.clients import Alarmed
from exporter.drift.feedback import Feedback
from exporter.drift.judge import Looked
from exporter.formats.drift import Report
from exporter.formats.inference import Resources, Sample
from exporter.health.inferences import Inferences
from exporter.history.evidence import Evidence, error_of
from exporter.history.minutes import RESOURCES
from exporter.history.recorder import Once, Recorder
from exporter.history.rows import ClientAlarm, Drift, InferenceSample
from exporter.labels import label_value

log = logging.getLogger(__name__)

#: samples of a model that are recorded in a second
PER_SECOND = 500
#: drifted features whose scores a row tells
FEATURES = 10


class Noticed:
    """Records what it is told.

    health: of a model, by its label; shown: a client as others may see it.
    """

    def __init__(
        self,
        recorder: Recorder,
        health: Callable[[str], Inferences],
        evidence: Evidence = "none",
        shown: Callable[[str], str] = str,
    ) -> None:
        self._recorder, self._health, self._evidence, self._shown = recorder, health, evidence, shown
        #: by model: the second, and the samples of it
        self._taken: dict[str, tuple[int, int]] = {}

    def alarms(self, model: str, alarmed: Sequence[Alarmed]) -> None:
        """Clients that came into alarm."""
        for one in alarmed:
            reasons = list(dict.fromkeys(reason for example in one.examples for reason in example.reasons))
            self._recorder.add("client_alarms", partial(self._alarm, model, one, reasons))

    def sample(self, model: str, sample: Sample, joined: bool, time: float) -> None:
        """A sample of an inference. joined: its query is counted already. Beyond a rate only its minute counts it."""
        minutes, grown = self._recorder.minutes, self._health(model).take_growth()
        minutes.count(model, time, **grown._asdict())
        if sample.resource_usage is not None:
            minutes.use(model, time, _used(sample.resource_usage))
        second, taken = self._taken.get(model, (0, 0))
        taken = taken + 1 if second == int(time) else 1
        self._taken[model] = int(time), taken
        if taken > PER_SECOND:
            self._recorder.drop("rate")
        else:
            self._recorder.add("inference", partial(self._inference, model, sample, joined, time, grown.cost_dollars))

    def drift(self, model: str, looked: Looked) -> None:
        """A window that was tested; recorded where something has moved."""
        if looked.verdict.severity > NONE:
            self._recorder.add("drift", partial(_found, model, looked))

    def reported(self, report: Report, time: float, key: int) -> None:
        """Drift that was found elsewhere. key: the same when it is told again."""
        self._recorder.add("drift", Once(reported(report, time), key))

    def concept(self, model: str, feedback: Feedback, time: float) -> None:
        """The predictions of a model became wrong more often than usual."""
        details = {"accuracy": feedback.accuracy, "usual_accuracy": 1.0 - (feedback.test.usual or 0.0)}
        row = Drift(
            time=time, model=model, drift_type="concept", severity="high", method="page_hinkley", details=details
        )
        self._recorder.add("drift", row)

    def _alarm(self, model: str, one: Alarmed, reasons: list[str]) -> ClientAlarm:
        return ClientAlarm(
            time=one.time,
            model=model,
            client=label_value(self._shown(one.client)),
            level=one.level,
            score=max(one.families.values()),
            families=list(one.in_alarm),
            reasons=reasons,
            details={"suspicion": one.families},
        )

    def _inference(self, model: str, sample: Sample, joined: bool, time: float, counted: float) -> InferenceSample:
        """counted: dollars that it was counted with, by the prices where it says none."""
        used, tokens = sample.resource_usage, sample.tokens
        waited = sample.time_to_first_token
        return InferenceSample(
            time=time,
            model=model,
            model_type=sample.model_type,
            request_id=sample.request_id[:256],
            client=label_value(self._shown(sample.client)) if sample.client else None,
            latency_seconds=sample.latency / 1000,
            first_token_seconds=None if waited is None else waited / 1000,
            error=error_of(sample.error, self._evidence) if sample.error else None,
            throughput=sample.throughput,
            error_rate=sample.error_rate,
            tokens_input=None if tokens is None else tokens.input,
            tokens_output=None if tokens is None else tokens.output,
            cost_dollars=(counted or None) if sample.cost_dollars is None else sample.cost_dollars,
            gpu_memory=None if used is None else used.gpu_memory,
            cpu_usage=None if used is None else used.cpu_usage,
            memory_usage=None if used is None else used.memory_usage,
            tags=dict(sample.tags or {}),
            joined=joined,
        )


def _used(said: Resources) -> dict[str, float]:
    """The shares that are told, by resource."""
    return {name: value for name in RESOURCES if (value := getattr(said, name)) is not None}


def _found(model: str, looked: Looked) -> Drift:
    verdict = looked.verdict
    worst = verdict.drifted[0]
    method, score = next(iter(worst.scores.items()))
    return Drift(
        time=looked.time,
        model=model,
        severity=LEVELS[verdict.severity],
        confidence=max(0.0, 1.0 - worst.p),
        feature=worst.feature,
        method=method,
        score=score,
        p_value=worst.p,
        details={
            "drifted": len(verdict.drifted),
            "tested": len(verdict.tested),
            "reference_version": looked.version,
            "features": {finding.feature: finding.scores for finding in verdict.drifted[:FEATURES]},
        },
    )


def reported(report: Report, time: float) -> Drift:
    """The row of a report from elsewhere."""
    return Drift(
        time=time,
        model=label_value(report.model_id),
        source="reported",
        drift_type=report.drift_type,
        severity=report.severity,
        confidence=report.confidence,
        feature=report.feature,
        score=report.drift_score,
        tags=dict(report.tags or {}),
    )
