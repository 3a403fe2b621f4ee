"""The configuration as typed records: every section of the file, every key with its default.

`config_file.load` reads it. What holds for a model, its own keys over the defaults, is `Config.model(name)`.
"""

import re
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from exporter.learned_config import LearnedNormal
from exporter.records import Form, Record, shown
from exporter.units import Bytes, Seconds
from exporter.yaml_lines import Path, Report

#: the label value under which models beyond the limit are counted together
RESERVED_MODEL = "other"
MODEL_NAME = re.compile(r"[A-Za-z0-9._:/@-]{1,128}", re.ASCII)
CUSTOM_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$", re.ASCII)
CUSTOM_LABEL = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
#: labels that Prometheus, the rules or a histogram need for themselves
RESERVED_LABELS = frozenset(
    {"deployment", "endpoint", "namespace", "service", "pod", "container", "job", "instance"}
) | {*("severity", "alertname", "type", "env", "le", "quantile")}
#: detectors that have one kind for each modality, `text_repetition` and so on
BY_MODALITY = {"repetition": ("text", "image", "tabular"), "similarity": ("text", "image", "tabular")}


def _model_name(value: Any) -> Any:
    if isinstance(value, str) and (value == RESERVED_MODEL or not MODEL_NAME.fullmatch(value)):
        raise ValueError(value)
    return value


def _custom_name(value: Any) -> Any:
    if isinstance(value, str) and (not CUSTOM_NAME.fullmatch(value) or value.endswith(("_total", "_bucket", "_sum"))):
        raise ValueError(value)
    return value


def _label_name(value: Any) -> Any:
    if isinstance(value, str) and (value in RESERVED_LABELS or not CUSTOM_LABEL.fullmatch(value)):
        raise ValueError(value)
    return value


def _address(value: Any) -> Any:
    """An address to which paths can be appended: without a slash at the end."""
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(value)
    if "@" in parts.netloc or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(value)
    return value.rstrip("/")


def _database(value: Any) -> Any:
    """An address of PostgreSQL, or of a file of SQLite."""
    if isinstance(value, str):
        parts = urlsplit(value)
        if not (parts.scheme == "postgresql" and parts.hostname) and not re.fullmatch(r"sqlite:////[^/?]+.*", value):
            raise ValueError(value)
    return value


def _origin(value: Any) -> Any:
    """An origin as browsers send it."""
    if isinstance(value, str) and not re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", value):
        raise ValueError(value)
    return value


Ratio = Annotated[float, msgspec.Meta(gt=0, le=1), Form("a number above 0 and at most 1")]
Count = Annotated[int, msgspec.Meta(ge=1), Form("a whole number of at least 1")]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1), Form("a number between 0 and 1, such as 0.999")]
Price = Annotated[float, msgspec.Meta(ge=0, le=1e6), Form("dollars, from 0 to a million")]
Rate = Annotated[float, msgspec.Meta(gt=0), Form("a number above 0")]
Text = Annotated[str, msgspec.Meta(min_length=1), Form("a text that is not empty")]
Address = Annotated[str, Form("an address such as http://host:3000, without user, password and query", _address)]
ModelName = Annotated[str, Form("1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -, and not 'other'", _model_name)]
DatabaseUrl = Annotated[str, Form("postgresql://user@host:5432/database or sqlite:////folder/file", _database)]
CustomName = Annotated[str, Form("a name of a-z, 0-9 and _ without prefix and _total", _custom_name)]
LabelName = Annotated[str, Form("a label name of a-z, 0-9 and _ that is not reserved", _label_name)]
Origin = Annotated[str, Form("an origin such as https://host:3000, without a path", _origin)]
Modality = Literal["text", "image", "tabular", "embedding", "auto"]
Profile = Literal["default", "strict", "stream"]
Season = Literal["none", "day", "week"]
Environment = Literal["dev", "staging", "prod"]


# -- the sections of the file


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


class DropDirectory(Record, frozen=True, kw_only=True):
    """A folder whose files are read as queries; what happens to a file that was read."""

    path: Text
    done: Literal["move", "delete"] = "move"


class Detect(Record, frozen=True, kw_only=True):
    """What `/detect` answers: the verdicts of the detectors, or only that the query was judged."""

    answer: Literal["verdict", "silent"] = "verdict"


class Sources(Record, frozen=True, kw_only=True):
    """Where queries come from besides pushes."""

    drop_directory: DropDirectory | None = None
    detect: Detect = Detect()


class Storage(Record, frozen=True, kw_only=True):
    """Where the state lives, and whether what is accepted is synced to the disk before the answer."""

    path: Text = "./state"
    sync: bool = True
    journal_bytes: Bytes = 4 << 30
    snapshot_interval: Seconds = 60.0


class Limits(Record, frozen=True, kw_only=True):
    """Bounds; what goes beyond is refused and counted."""

    models: Count = 100
    series: Count = 20_000
    evidence_bytes: Bytes = 1 << 30
    body_bytes: Bytes = 8 << 20
    bodies_bytes: Bytes = 256 << 20
    body_queries: Count = 10_000
    queue_queries: Count = 50_000
    queue_bytes: Bytes = 256 << 20
    text_characters: Count = 1_000_000
    vector_numbers: Count = 100_000
    image_pixels: Count = 16_000_000
    connections: Count = 1_000
    custom_metrics: Count = 50
    custom_series: Count = 1_000
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    idle_timeout: Seconds = 75.0


class Retention(Record, frozen=True, kw_only=True):
    """How long the history keeps what."""

    flagged_queries: Seconds = 30 * 86_400.0
    client_alarms: Seconds = 90 * 86_400.0
    drift: Seconds = 90 * 86_400.0
    inference: Seconds = 7 * 86_400.0
    rollups: Seconds = 90 * 86_400.0
    anomalies: Seconds = 90 * 86_400.0
    alerts: Seconds = 365 * 86_400.0


class History(Record, frozen=True, kw_only=True):
    """What is recorded to look back in, where, and for how long."""

    enabled: bool = True
    url: DatabaseUrl | None = None
    password_file: Text | None = None
    evidence: Literal["none", "redacted", "full"] = "none"
    flagged_per_second: Count = 100
    queue_rows: Count = 10_000
    max_bytes: Bytes = 2 << 30
    retention: Retention = Retention()


class Alerts(Record, frozen=True, kw_only=True):
    """Where Alertmanager is asked what fires, how often, and whether acknowledged alerts are silenced there.

    url: as this process reaches it; external.alertmanager_url where it is None.
    """

    url: Address | None = None
    reconcile_interval: Seconds = 60.0
    silences: bool = False
    credentials_file: Text | None = None


class Jwt(Record, frozen=True, kw_only=True):
    """Tokens of another service. Which of the three files is given decides the algorithm."""

    secret_file: Text | None = None
    public_key_file: Text | None = None
    jwks_file: Text | None = None
    issuer: Text | None = None
    audience: Text | None = None


class RateLimit(Record, frozen=True, kw_only=True):
    """Requests of one key, or of one address without a key."""

    requests_per_second: Rate
    burst: Count | None = None


class Access(Record, frozen=True, kw_only=True):
    """Who may do what. Secrets stand in files of their own, never here."""

    keys_file: Text | None = None
    jwt: Jwt | None = None
    metrics: Literal["open", "read"] = "open"
    health: Literal["open", "read"] = "open"
    failures_per_minute: Count = 10
    rate_limit: RateLimit | None = None
    cors_origins: tuple[Origin, ...] = ()
    pseudonym_secret_file: Text | None = None


class External(Record, frozen=True, kw_only=True):
    """Addresses under which people reach this service and its neighbours, for the links in notifications."""

    url: Address = "http://localhost:10833"
    grafana_url: Address | None = None
    alertmanager_url: Address | None = None


# -- what holds for one model


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
