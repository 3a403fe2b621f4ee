"""Files that may change while the service runs: looked at once a second at most."""

import os
from collections.abc import Callable
from pathlib import Path

from exporter.access import AccessError

LOOK_SECONDS = 1.0
#: far above any key file; a device or a mistaken path does not fill the memory
MAX_BYTES = 8 << 20
MIN_SECRET_BYTES = 32

Stamp = tuple[int, int, int]


class WatchedFile:
    """Tells when a file is another one than before. `tick` counts seconds and never runs backwards."""

    def __init__(self, path: str, tick: Callable[[], float]) -> None:
        self.path, self._tick = path, tick
        self._stamp = stamp(path)
        self._look_at = tick() + LOOK_SECONDS

    def has_changed(self) -> bool:
        """Whether it was written, replaced, made or removed since this was last true. Nearly always one comparison."""
        now = self._tick()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        before, self._stamp = self._stamp, stamp(self.path)
        return before != self._stamp


def stamp(path: str) -> Stamp | None:
    """What tells two states of a file apart; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def read(path: str) -> bytes:
    """The content. Raises AccessError."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AccessError(f"{path} cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise AccessError(f"{path} is larger than {MAX_BYTES} bytes")
    return content


def read_secret(path: str) -> bytes:
    """The secret in a file, without the white space around it. Raises AccessError when it is short."""
    secret = read(path).strip()
    if len(secret) < MIN_SECRET_BYTES:
        raise AccessError(f"{path} holds {len(secret)} bytes; expected a secret of at least {MIN_SECRET_BYTES}")
    return secret
