"""What can be set, checked once: a wrong setting is told when the client is made, and never later."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

MEBIBYTE = 1 << 20
#: the longest name of an instance that the exporter takes
NAME_CHARACTERS = 1024


@dataclass(frozen=True)
class Settings:
    """Bounds and times of a client.

    flush_interval: seconds that a record waits for others. batch_records, batch_bytes: the most a request holds.
    queue_records: the most that waits for the thread that encodes. record_bytes: the most one record may have.
    buffer_bytes: the most that waits for the exporter, in this process. buffer_dir: where that is kept on disk.
    timeout: seconds for one request. longest_wait: seconds between two tries, where the exporter asks for no more.
    close_timeout: seconds that the end of the process may wait.
    resources_interval: seconds between samples of the machine; None for none.
    instance: whose gauges are sent; None for a name of the process.
    """

    flush_interval: float = 1.0
    batch_records: int = 500
    batch_bytes: int = MEBIBYTE
    queue_records: int = 10_000
    record_bytes: int = 4 * MEBIBYTE
    buffer_bytes: int = 64 * MEBIBYTE
    buffer_dir: Path | None = None
    timeout: float = 10.0
    longest_wait: float = 30.0
    close_timeout: float = 5.0
    resources_interval: float | None = None
    instance: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("buffer_dir", "instance") and value is not None:
                _check(field.name, value, whole=field.type is int)
        if self.instance is not None and not (
            isinstance(self.instance, str) and 0 < len(self.instance) <= NAME_CHARACTERS
        ):
            raise ValueError(f"instance is no text of 1 to {NAME_CHARACTERS} characters")


def _check(name: str, value: object, whole: bool) -> None:
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not (good and isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value!r}; expected a {'whole ' if whole else ''}number above 0")


def checked_url(url: str) -> str:
    """The address of an exporter, without a slash at its end.

    Raises ValueError, without quoting it: it may hold a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url: expected the address of an exporter, such as http://localhost:10833")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: holds a user or a password; give a key as api_key, or an auth for requests")
    if parts.query or parts.fragment:
        raise ValueError("url: expected no ? and no #")
    return url.rstrip("/")
