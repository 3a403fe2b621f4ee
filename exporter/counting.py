"""Counting: what samples say, in order, into the counts of their models. The queries are judged, not counted here."""

from exporter.config import Config
from exporter.delivery import Delivery
from exporter.drift.reports import DriftReports
from exporter.formats.custom import CustomSample
from exporter.formats.drift import Report
from exporter.formats.feedback import Truth
from exporter.formats.inference import Sample
from exporter.health.custom import CustomMetrics
from exporter.history.noticed import Noticed, Told
from exporter.models import Models


class Samples:
    """Where samples are counted, and what is kept of those that belong to no query."""

    def __init__(self, config: Config) -> None:
        self.custom = CustomMetrics(config)
        self.reports = DriftReports()

    def count(self, delivery: Delivery, models: Models, noticed: Noticed | None) -> None:
        """Count the samples of a delivery, in order. noticed: told of what comes of them."""
        told: dict[str, list[Told]] = {}
        for sample in delivery.samples:
            match sample:
                case Sample():
                    _count_inference(sample, delivery, models, told)
                case CustomSample():
                    self.custom.count(sample, delivery.sender, delivery.received)
                case Truth():
                    _count_truth(sample, delivery, models, noticed)
                case Report():
                    self.reports.count(sample, delivery)
        if noticed is not None:
            for model, samples in told.items():
                noticed.samples(model, samples, delivery.received)


def _count_inference(sample: Sample, delivery: Delivery, models: Models, told: dict[str, list[Told]]) -> None:
    """Count one; in `told`, by model, what the history is told of, which is not what came before."""
    model = models.of(sample.model_id)
    before = model.health.picodollars
    counted = model.health.count_sample(sample, delivery.sender, models.requests, delivery.received)
    if counted != "again":
        one = Told(sample, counted == "joined", model.health.picodollars - before)
        told.setdefault(model.name, []).append(one)


def _count_truth(truth: Truth, delivery: Delivery, models: Models, noticed: Noticed | None) -> None:
    """Join a true label to what the model had predicted for the query of its id."""
    model = models.label_of(truth.model)
    if model.drift is None:
        truth.told = "unknown"
        return
    feedback = model.drift.feedback
    before = feedback.test.drifted
    truth.told = feedback.tell(truth.id, truth.label, delivery.received)
    if noticed is not None and feedback.test.drifted and not before:
        noticed.concept(model.name, feedback, delivery.received)
