"""The models that are named, and the metrics that their senders count themselves."""

from typing import Literal

from exporter.config.forms import CustomName, Environment, LabelName, Modality, ModelName, Price, Ratio, Share
from exporter.config.judging import DetectorConfig, OwnAlertShare, OwnClients, OwnDrift
from exporter.config.records import Record
from exporter.config.units import Seconds


class Thresholds(Record, frozen=True, kw_only=True):
    """From where on a model is not well: latency in seconds, shares, and dollars an hour."""

    latency: Seconds = 1.0
    error_rate: Ratio = 0.05
    gpu_memory: Ratio = 0.8
    cpu_usage: Ratio = 0.8
    memory_usage: Ratio = 0.8
    cost_per_hour: Price | None = None


class Objectives(Record, frozen=True, kw_only=True):
    """Shares of the inferences that are to be answered, and answered within `thresholds.latency`."""

    availability: Share | None = None
    latency: Share | None = None


class Prices(Record, frozen=True, kw_only=True):
    """What an inference costs, in dollars, where its sender does not say it."""

    input_token: Price = 0.0
    output_token: Price = 0.0
    request: Price = 0.0
    gpu_second: Price = 0.0


class Model(Record, frozen=True, kw_only=True):
    """A model whose queries are watched. What is None holds from the defaults."""

    name: ModelName
    version: str = ""
    modality: Modality = "auto"
    detectors: tuple[DetectorConfig, ...] | None = None
    alert_share: OwnAlertShare | None = None
    clients: OwnClients | None = None
    drift: OwnDrift | None = None
    expected_interval: Seconds | None = None
    environment: Environment | None = None
    thresholds: Thresholds = Thresholds()
    objectives: Objectives = Objectives()
    prices: Prices = Prices()


#: upper bounds of the buckets of a custom histogram that says none
CUSTOM_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CustomMetric(Record, frozen=True, kw_only=True):
    """A metric that senders count themselves, as `vedette_custom_` and its name."""

    name: CustomName
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[LabelName, ...] = ()
    buckets: tuple[float, ...] = CUSTOM_BUCKETS
    help: str = ""
