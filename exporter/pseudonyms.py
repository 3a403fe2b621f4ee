"""Client ids as others may see them: as they are, or as pseudonyms, where a secret is configured.

A pseudonym is an HMAC-SHA-256 of the id, so that without the secret nobody finds out by trying who is meant. It is
the same after a restart, and another one under another secret. The way back is a file in the state folder, for its
owner only: one line for each pseudonym that was ever shown.
"""

import contextlib
import hmac
import logging
import os
import threading
from pathlib import Path
from typing import Protocol

import msgspec

from exporter.access.files import read_secret
from exporter.config import Config

log = logging.getLogger(__name__)

#: what a pseudonym begins with, and how many hexadecimal digits follow: 96 bits, by which no two clients meet
PREFIX, DIGITS = "c-", 24
#: pseudonyms in one file; the file before is kept too, so that up to twice as many can be looked up
MOST = 50_000
NAME = "pseudonyms"


class Pseudonyms(Protocol):
    """What metrics, pages and histories show of clients."""

    def shown(self, client: str) -> str:
        """What others see of a client id. Never fails; from any thread."""
        ...

    def original(self, shown: str) -> str | None:
        """The client id behind what was shown; None where it is not known (any more)."""
        ...

    def close(self) -> None:
        """Write nothing more."""
        ...


class AsTheyAre:
    """Without a secret, clients are shown by their ids."""

    def shown(self, client: str) -> str:
        """The id itself."""
        return client

    def original(self, shown: str) -> str | None:
        """The same."""
        return shown

    def close(self) -> None:
        """Nothing was written."""


class Hidden:
    """Clients are shown by their pseudonyms, which `folder` remembers. Raises OSError where it cannot be read."""

    def __init__(self, secret: bytes, folder: Path, most: int = MOST) -> None:
        self._secret, self._most = secret, most
        self._path, self._before = folder / NAME, folder / f"{NAME}.before"
        self._lock = threading.Lock()
        self._older = _read(self._before)[0]
        self._known, size = _read(self._path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: int | None = _open(self._path)
        os.ftruncate(self._file, size)  # a line that a crash left half written
        #: lines, or the end of one, that the disk did not take yet
        self._unwritten = bytearray()
        self._is_full = self._is_failing = False

    def shown(self, client: str) -> str:
        """Its pseudonym, which is written down the first time."""
        digest = hmac.digest(self._secret, client.encode("utf-8", "surrogatepass"), "sha256")
        pseudonym = PREFIX + digest.hex()[:DIGITS]
        if pseudonym not in self._known:  # nearly always it is, and nobody waits
            with self._lock:
                self._remember(pseudonym, client)
        return pseudonym

    def original(self, shown: str) -> str | None:
        """The id, as long as it is among those that were shown last."""
        with self._lock:
            return self._known.get(shown, self._older.get(shown))

    def close(self) -> None:
        """Close the file; what is shown from now on is not written down."""
        with self._lock:
            self._write()
            file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _remember(self, pseudonym: str, client: str) -> None:
        if pseudonym in self._known:
            return
        if len(self._known) >= self._most:
            self._older, self._known, self._is_full = self._known, {}, True
            self._unwritten.clear()
        self._known[pseudonym] = client
        self._unwritten += msgspec.json.encode([pseudonym, client]) + b"\n"
        self._write()

    def _write(self) -> None:
        """Write what is not written yet. What the disk does not take is tried again with the next one."""
        try:
            if self._is_full and self._file is not None:
                self._file = self._begin_anew(self._file)
            while self._unwritten and self._file is not None:
                del self._unwritten[: os.write(self._file, self._unwritten)]
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                log.error("pseudonyms cannot be written down", extra={"reason": error.strerror})
            self._is_failing = True

    def _begin_anew(self, full: int) -> int:
        """Keep the file as the one before, and begin another; its descriptor. Raises OSError; may be tried again."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._path, self._before)
        file = _open(self._path)
        os.close(full)
        self._is_full = False
        return file


def pseudonyms(config: Config) -> Pseudonyms:
    """As the configuration says. Raises AccessError where the secret, and OSError where the folder cannot be used."""
    path = config.access.pseudonym_secret_file
    return AsTheyAre() if path is None else Hidden(read_secret(path), Path(config.storage.path))


def written_down(folder: Path) -> dict[str, str]:
    """The client ids by pseudonym that a state folder remembers. Raises OSError."""
    return {**_read(folder / f"{NAME}.before")[0], **_read(folder / NAME)[0]}


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _read(path: Path) -> tuple[dict[str, str], int]:
    """The ids by pseudonym, and the bytes up to the last whole line; lines that make no sense are passed over."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}, 0
    whole = content.rfind(b"\n") + 1
    found = {}
    for line in content[:whole].splitlines():
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pseudonym, client = _line.decode(line)
            found[pseudonym] = client
    return found, whole


_line = msgspec.json.Decoder(tuple[str, str])
