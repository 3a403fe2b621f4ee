"""What is noticed besides flagged queries, as rows of the history: alarms, drift, and what was measured.

Called on the threads that notice it; never fails and never waits, so that they go on without a history.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from detectors.drift.decision import LEVELS, NONE
from exporter.clients import Alarmed
from exporter.drift.feedback import Feedback
from exporter.drift.judge import Looked
from exporter.formats.drift import Report
from exporter.formats.inference import Sample
from exporter.health.inferences import PICODOLLARS, Inferences
from exporter.history.evidence import Evidence, error_of
from exporter.history.recorder import Once, Recorder
from exporter.history.rows import ClientAlarm, Drift, InferenceSample
from exporter.labels import label_value

log = logging.getLogger(__name__)

#: samples of a model that are recorded in a second
PER_SECOND = 500
#: drifted features whose scores a row tells
FEATURES = 10


class Told(NamedTuple):
    """A sample of an inference. joined: its query was counted before; picodollars: what it was counted with."""

    sample: Sample
    joined: bool
    picodollars: int


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

    def samples(self, model: str, told: Sequence[Told], time: float) -> None:
        """Samples of one model that came together. Beyond a rate only their minute counts them."""
        minutes = self._recorder.minutes
        minutes.count(model, time, **self._health(model).take_growth()._asdict())
        minutes.use(model, time, [used for one in told if (used := one.sample.resource_usage) is not None])
        second, taken = self._taken.get(model, (0, 0))
        taken = taken if second == int(time) else 0
        self._taken[model] = int(time), taken + len(told)
        recorded = told[: max(PER_SECOND - taken, 0)]
        for one in recorded:
            self._recorder.add("inference", partial(self._inference, model, one, time))
        if len(recorded) < len(told):
            self._recorder.drop("rate", len(told) - len(recorded))

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

    def _inference(self, model: str, told: Told, time: float) -> InferenceSample:
        sample, counted = told.sample, told.picodollars / PICODOLLARS
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
            joined=told.joined,
        )


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
