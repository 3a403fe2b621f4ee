"""The service itself: sources, disk, history, access, bounds and addresses."""

from typing import Literal

from exporter.config.forms import Address, Count, DatabaseUrl, Origin, Rate, Text
from exporter.config.records import Record
from exporter.config.units import Bytes, Seconds


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
