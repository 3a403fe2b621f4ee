"""The configuration: one YAML file into typed records; every key has a default."""

from typing import Annotated, Any, Literal

import msgspec

Ratio = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Record(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A section of the file. Unknown keys are errors."""


class AlertShare(Record, frozen=True, kw_only=True):
    """Share of flagged queries from which alerts fire: info at warning, a ticket at critical."""

    warning: Ratio = 0.05
    critical: Ratio = 0.2


class DetectorConfig(Record, frozen=True, kw_only=True):
    """A detector of a model: its name, its options, and its own alert share where it has one."""

    name: str
    options: dict[str, Any] = {}
    alert_share: AlertShare | None = None


class Clients(Record, frozen=True, kw_only=True):
    """How evidence on clients is weighed, and which clients are never alarmed on."""

    profile: Literal["default", "strict", "stream"] = "default"
    allow: list[str] = []


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
    """A model whose queries are watched."""

    name: str
    version: str = ""
    modality: Literal["text", "image", "tabular", "embedding", "auto"] = "auto"
    detectors: tuple[DetectorConfig, ...] | None = None
    alert_share: AlertShare | None = None
    clients: Clients | None = None
    expected_interval: float | None = None  # seconds


class DropDirectory(Record, frozen=True, kw_only=True):
    """A folder whose files are read as queries; what happens to a file that was read."""

    path: str
    done: Literal["move", "delete"] = "move"


class Sources(Record, frozen=True, kw_only=True):
    """Where queries come from besides HTTP."""

    drop_directory: DropDirectory | None = None


class Storage(Record, frozen=True, kw_only=True):
    """Where the state lives, and whether what is accepted is synced to the disk before the answer."""

    path: str = "./state"
    sync: bool = True


class Limits(Record, frozen=True, kw_only=True):
    """Bounds; what goes beyond is refused and counted."""

    models: Count = 100
    series: Count = 20_000
    evidence_bytes: Count = 1 << 30
    body_bytes: Count = 8 << 20
    body_queries: Count = 10_000
    queue_queries: Count = 50_000
    queue_bytes: Count = 256 << 20
    text_characters: Count = 1_000_000
    vector_numbers: Count = 100_000
    image_pixels: Count = 16_000_000


class External(Record, frozen=True, kw_only=True):
    """Addresses under which people reach this service and its neighbours, for the links in notifications."""

    url: str = "http://localhost:10833"
    grafana_url: str | None = None
    alertmanager_url: str | None = None


class Config(Record, frozen=True, kw_only=True):
    """The whole file."""

    defaults: Defaults = Defaults()
    models: tuple[Model, ...] = ()
    sources: Sources = Sources()
    storage: Storage = Storage()
    limits: Limits = Limits()
    external: External = External()

    def model(self, name: str) -> "ResolvedModel":
        m = next((x for x in self.models if x.name == name), Model(name=name))
        return ResolvedModel(
            name=name,
            version=m.version,
            modality=m.modality,
            clients=m.clients or self.defaults.clients,
            expected_interval=m.expected_interval,
            detectors=tuple(
                ResolvedDetector(
                    name=d.name,
                    detector=d.name,
                    options=d.options,
                    alert_share=d.alert_share or m.alert_share or self.defaults.alert_share,
                )
                for d in (m.detectors or self.defaults.detectors)
            ),
        )


class ResolvedDetector(Record, frozen=True, kw_only=True):
    """A detector of a model: its label, its name in the registry, its options and its alert share."""

    name: str
    detector: str
    options: dict[str, Any]
    alert_share: AlertShare


class ResolvedModel(Record, frozen=True, kw_only=True):
    name: str
    version: str
    modality: str
    detectors: tuple[ResolvedDetector, ...]
    clients: Clients
    expected_interval: float | None
