"""The whole file, and what holds for each model: its own keys, else the defaults."""

from typing import Any, TypeVar

import msgspec

from exporter.config.anomalies import LearnedNormal
from exporter.config.forms import Environment, Modality
from exporter.config.judging import (
    AlertShare,
    Clients,
    Defaults,
    DetectorConfig,
    Drift,
    DriftReference,
    DriftWindow,
    OwnAlertShare,
    OwnClients,
    OwnDrift,
    OwnDriftReference,
    OwnDriftWindow,
)
from exporter.config.models import CustomMetric, Model, Objectives, Prices, Thresholds
from exporter.config.records import Record
from exporter.config.service import Access, Alerts, External, History, Limits, Sources, Storage

#: detectors that have one kind for each modality, `text_repetition` and so on
BY_MODALITY = {"repetition": ("text", "image", "tabular"), "similarity": ("text", "image", "tabular")}


class ResolvedDetector(Record, frozen=True, kw_only=True):
    """A detector of a model. name: in the registry and in the label `detector`, such as `text_repetition`."""

    name: str
    options: dict[str, Any]
    alert_share: AlertShare


class ResolvedModel(Record, frozen=True, kw_only=True):
    """What holds for a model: its own keys, else the defaults."""

    name: str
    version: str
    modality: Modality
    detectors: tuple[ResolvedDetector, ...]
    clients: Clients
    drift: Drift
    expected_interval: float | None  # seconds
    environment: Environment | None
    thresholds: Thresholds | None  # None for a model that nobody named: nothing says what is normal for it
    objectives: Objectives
    prices: Prices


class Config(Record, frozen=True, kw_only=True):
    """The whole file."""

    defaults: Defaults = Defaults()
    models: tuple[Model, ...] = ()
    custom_metrics: tuple[CustomMetric, ...] = ()
    sources: Sources = Sources()
    storage: Storage = Storage()
    history: History = History()
    alerts: Alerts = Alerts()
    limits: Limits = Limits()
    access: Access = Access()
    anomalies: LearnedNormal = LearnedNormal()
    external: External = External()

    def model(self, name: str) -> ResolvedModel:
        """What holds for the model of this name, configured or not."""
        named = next((model for model in self.models if model.name == name), None)
        own = named or Model(name=name)
        share = overlaid(self.defaults.alert_share, own.alert_share)
        entries = self.defaults.detectors if own.detectors is None else own.detectors
        return ResolvedModel(
            name=name,
            version=own.version,
            modality=own.modality,
            detectors=tuple(_resolved(entry, own.modality, share) for entry in entries),
            clients=overlaid(self.defaults.clients, own.clients),
            drift=_drift(self.defaults.drift, own.drift),
            expected_interval=own.expected_interval,
            environment=own.environment,
            thresholds=own.thresholds if named else None,
            objectives=own.objectives,
            prices=own.prices,
        )


def detector_name(written: str, modality: str) -> str:
    """The registry's name of a detector in a model of this modality: `repetition` in a text model, `text_repetition`.

    Models of modality `auto` or `embedding` have the generic ones.
    """
    return f"{modality}_{written}" if modality in BY_MODALITY.get(written, ()) else written


Section = TypeVar("Section", AlertShare, Clients, DriftReference, DriftWindow)


def overlaid(base: Section, own: OwnAlertShare | OwnClients | OwnDriftReference | OwnDriftWindow | None) -> Section:
    """The base with what the nearer section gives."""
    given = msgspec.structs.asdict(own) if own else {}
    return msgspec.structs.replace(base, **{key: value for key, value in given.items() if value is not None})


def _drift(base: Drift, own: OwnDrift | None) -> Drift:
    own = own or OwnDrift()
    return Drift(
        enabled=base.enabled if own.enabled is None else own.enabled,
        reference=overlaid(base.reference, own.reference),
        window=overlaid(base.window, own.window),
        season=base.season if own.season is None else own.season,
    )


def _resolved(entry: DetectorConfig, modality: str, share: AlertShare) -> ResolvedDetector:
    name = detector_name(entry.name, modality)
    return ResolvedDetector(name=name, options=entry.options, alert_share=overlaid(share, entry.alert_share))
