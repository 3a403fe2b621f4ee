"""How queries are judged, and from where on it alerts: the sections that hold for all models or for one.

A record whose name begins with Own is the same section of one model.
"""

from typing import Any, Self

import msgspec

from exporter.config.forms import Count, Profile, Ratio, Season, Text
from exporter.config.records import Record, shown
from exporter.config.units import Seconds
from exporter.config.yaml_lines import Path, Report


class AlertShare(Record, frozen=True, kw_only=True):
    """Share of flagged queries from which alerts fire: info at warning, a ticket at critical."""

    warning: Ratio = 0.05
    critical: Ratio = 0.2


class OwnAlertShare(Record, frozen=True, kw_only=True):
    """The alert share of one model or detector; what is None holds from above."""

    warning: Ratio | None = None
    critical: Ratio | None = None


class DetectorConfig(Record, frozen=True, kw_only=True):
    """A detector in a list: its name, its options, and its own alert share where it has one.

    In the file it is the name alone, or a mapping with the name as its only key.
    """

    name: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    alert_share: OwnAlertShare | None = None

    @classmethod
    def read(cls, data: Any, path: Path, report: Report) -> Self:
        """The entry from `name`, or from `{name: {option: value, alert_share: {...}}}`. The name is None if wrong."""
        entry = {data: None} if isinstance(data, str) else data
        if not isinstance(entry, dict) or len(entry) != 1:
            got = "the keys " + ", ".join(entry) if isinstance(entry, dict) and entry else shown(data)
            report(path, f"expected the name of a detector, or one name with its options below it, got {got}")
            return cls(name=None)  # type: ignore[arg-type]  # never handed out: parse raises
        [(name, options)] = entry.items()
        if not isinstance(options, dict | None):
            report((*path, name), f"expected a mapping, got {shown(options)}")
        options = dict(options) if isinstance(options, dict) else {}
        share = options.pop("alert_share", None)
        own = None if share is None else OwnAlertShare.read(share, (*path, name, "alert_share"), report)
        return cls(name=name, options=options, alert_share=own)


class Clients(Record, frozen=True, kw_only=True):
    """How evidence on clients is weighed, if it is, and which clients are never alarmed on."""

    enabled: bool = True
    profile: Profile = "default"
    allow: tuple[Text, ...] = ()
    templates: tuple[Text, ...] = ()
    alarm_hold: Seconds = 900.0


class OwnClients(Record, frozen=True, kw_only=True):
    """The same for one model; what is None holds from above."""

    enabled: bool | None = None
    profile: Profile | None = None
    allow: tuple[Text, ...] | None = None
    templates: tuple[Text, ...] | None = None
    alarm_hold: Seconds | None = None


class DriftReference(Record, frozen=True, kw_only=True):
    """What queries are compared with: the first ones, at least so many and over so long, or those in a file."""

    queries: Count = 1_000
    interval: Seconds = 600.0
    file: Text | None = None
    version: Text = "1"


class OwnDriftReference(Record, frozen=True, kw_only=True):
    """The same for one model; what is None holds from above."""

    queries: Count | None = None
    interval: Seconds | None = None
    file: Text | None = None
    version: Text | None = None


class DriftWindow(Record, frozen=True, kw_only=True):
    """How many queries, and over how long, are compared with the reference at once."""

    queries: Count = 1_000
    interval: Seconds = 60.0


class OwnDriftWindow(Record, frozen=True, kw_only=True):
    """The same for one model; what is None holds from above."""

    queries: Count | None = None
    interval: Seconds | None = None


class Drift(Record, frozen=True, kw_only=True):
    """Whether and how drift is looked for. In the file, `false` stands for `{enabled: false}`."""

    enabled: bool = True
    reference: DriftReference = DriftReference()
    window: DriftWindow = DriftWindow()
    season: Season = "none"

    @classmethod
    def read(cls, data: Any, path: Path, report: Report) -> Self:
        """The section, or true or false alone."""
        return super().read({"enabled": data} if isinstance(data, bool) else data, path, report)


class OwnDrift(Record, frozen=True, kw_only=True):
    """The same for one model; what is None holds from above."""

    enabled: bool | None = None
    reference: OwnDriftReference | None = None
    window: OwnDriftWindow | None = None
    season: Season | None = None

    @classmethod
    def read(cls, data: Any, path: Path, report: Report) -> Self:
        """The section, or true or false alone."""
        return super().read({"enabled": data} if isinstance(data, bool) else data, path, report)


DEFAULT_DETECTORS = (
    DetectorConfig(name="confidence", options={"threshold": 0.8}),
    DetectorConfig(name="repetition", options={"max_history_size": 10_000}),
    DetectorConfig(name="similarity"),
)


class Defaults(Record, frozen=True, kw_only=True):
    """What holds for models that are not named, and for what a named model leaves out."""

    detectors: tuple[DetectorConfig, ...] = DEFAULT_DETECTORS
    alert_share: AlertShare = AlertShare()
    clients: Clients = Clients()
    drift: Drift = Drift()
