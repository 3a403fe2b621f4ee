"""The configuration as typed records: every section of the file, every key with its default.

`config_file.load` reads it. What holds for a model, its own keys over the defaults, is `Config.model(name)`.
"""

import re
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from exporter.records import Form, Record, shown
from exporter.units import Bytes, Seconds
from exporter.yaml_lines import Path, Report

#: the label value under which models beyond the limit are counted together
RESERVED_MODEL = "other"
MODEL_NAME = re.compile(r"[A-Za-z0-9._:/@-]{1,128}", re.ASCII)
#: detectors that have one kind for each modality, `text_repetition` and so on
BY_MODALITY = {"repetition": ("text", "image", "tabular"), "similarity": ("text", "image", "tabular")}


def _model_name(value: Any) -> Any:
    if isinstance(value, str) and (value == RESERVED_MODEL or not MODEL_NAME.fullmatch(value)):
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


def _origin(value: Any) -> Any:
    """An origin as browsers send it."""
    if isinstance(value, str) and not re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", value):
        raise ValueError(value)
    return value


Ratio = Annotated[float, msgspec.Meta(gt=0, le=1), Form("a number above 0 and at most 1")]
Count = Annotated[int, msgspec.Meta(ge=1), Form("a whole number of at least 1")]
Rate = Annotated[float, msgspec.Meta(gt=0), Form("a number above 0")]
Text = Annotated[str, msgspec.Meta(min_length=1), Form("a text that is not empty")]
Address = Annotated[str, Form("an address such as http://host:3000, without user, password and query", _address)]
ModelName = Annotated[str, Form("1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -, and not 'other'", _model_name)]
Origin = Annotated[str, Form("an origin such as https://host:3000, without a path", _origin)]
Modality = Literal["text", "image", "tabular", "embedding", "auto"]
Profile = Literal["default", "strict", "stream"]


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
    """How evidence on clients is weighed, and which clients are never alarmed on."""

    profile: Profile = "default"
    allow: tuple[Text, ...] = ()


class OwnClients(Record, frozen=True, kw_only=True):
    """The same for one model; what is None holds from above."""

    profile: Profile | None = None
    allow: tuple[Text, ...] | None = None


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


class Model(Record, frozen=True, kw_only=True):
    """A model whose queries are watched. What is None holds from the defaults."""

    name: ModelName
    version: str = ""
    modality: Modality = "auto"
    detectors: tuple[DetectorConfig, ...] | None = None
    alert_share: OwnAlertShare | None = None
    clients: OwnClients | None = None
    expected_interval: Seconds | None = None


class DropDirectory(Record, frozen=True, kw_only=True):
    """A folder whose files are read as queries; what happens to a file that was read."""

    path: Text
    done: Literal["move", "delete"] = "move"


class Sources(Record, frozen=True, kw_only=True):
    """Where queries come from besides HTTP."""

    drop_directory: DropDirectory | None = None


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
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    idle_timeout: Seconds = 75.0


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
    expected_interval: float | None  # seconds


class Config(Record, frozen=True, kw_only=True):
    """The whole file."""

    defaults: Defaults = Defaults()
    models: tuple[Model, ...] = ()
    sources: Sources = Sources()
    storage: Storage = Storage()
    limits: Limits = Limits()
    access: Access = Access()
    external: External = External()

    def model(self, name: str) -> ResolvedModel:
        """What holds for the model of this name, configured or not."""
        own = next((model for model in self.models if model.name == name), Model(name=name))
        share = overlaid(self.defaults.alert_share, own.alert_share)
        entries = self.defaults.detectors if own.detectors is None else own.detectors
        return ResolvedModel(
            name=name,
            version=own.version,
            modality=own.modality,
            detectors=tuple(_resolved(entry, own.modality, share) for entry in entries),
            clients=overlaid(self.defaults.clients, own.clients),
            expected_interval=own.expected_interval,
        )


def detector_name(written: str, modality: str) -> str:
    """The registry's name of a detector in a model of this modality: `repetition` in a text model, `text_repetition`.

    Models of modality `auto` or `embedding` have the generic ones.
    """
    return f"{modality}_{written}" if modality in BY_MODALITY.get(written, ()) else written


Section = TypeVar("Section", AlertShare, Clients)


def overlaid(base: Section, own: OwnAlertShare | OwnClients | None) -> Section:
    """The base with what the nearer section gives."""
    given = msgspec.structs.asdict(own) if own else {}
    return msgspec.structs.replace(base, **{key: value for key, value in given.items() if value is not None})


def _resolved(entry: DetectorConfig, modality: str, share: AlertShare) -> ResolvedDetector:
    name = detector_name(entry.name, modality)
    return ResolvedDetector(name=name, options=entry.options, alert_share=overlaid(share, entry.alert_share))
