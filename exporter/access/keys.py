"""API keys: made by `vedette keys create`, kept as hashes in one file, looked up by hash.

A key is 256 random bits. SHA-256 is the right hash for such a secret: slow, salted hashes protect passwords, which
people choose and others guess; 2^256 keys cannot be tried however fast the hash is, so slowness would only make every
request dear, and a salt would only prevent the look-up by hash. The key itself is shown once and kept nowhere.

The file is a JSON list. It is replaced as a whole, and read again when it has changed.
"""

import fcntl
import hashlib
import hmac
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from exporter.access import AccessError
from exporter.access.files import WatchedFile, read
from exporter.access.principal import Principal
from exporter.access.scopes import GRANTS, Scope
from exporter.config import Config

log = logging.getLogger(__name__)
#: how a key begins, so that people and secret scanners know what they have found
PREFIX = "vedette_"


class Key(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One key as it stands in the file. hash: SHA-256 as hex. models: those it may name; None for all."""

    id: str
    hash: str
    scope: Scope
    created: datetime
    name: str = ""
    models: list[str] | None = None
    expires: datetime | None = None
    revoked: datetime | None = None

    def state(self, now: datetime) -> str:
        """`revoked`, `expired` or `valid`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


class Known(msgspec.Struct, frozen=True):
    """A key, ready to be compared. expires: seconds since 1970, infinite for never."""

    digest: bytes
    principal: Principal
    expires: float
    is_revoked: bool


def keys_file(config: Config) -> str:
    """Where the keys are."""
    return config.access.keys_file or default_keys_file(config)


def default_keys_file(config: Config) -> str:
    """Where they are if the configuration does not say so."""
    return str(Path(config.storage.path) / "keys.json")


class KeyFile:
    """The keys of a file, as it stands now.

    must_exist: the file is named in the configuration, so that without it nobody gets in. Else it closes the service
    from when it is there; removing it does not open a service that runs. Raises AccessError for a file that is wrong.
    """

    def __init__(self, path: str, must_exist: bool = False, tick: Callable[[], float] = time.monotonic) -> None:
        self._file = WatchedFile(path, tick)
        self.path, self._known = path, _known(load(path))
        self.is_in_use = must_exist or os.path.lexists(path)

    def refresh(self) -> None:
        """Read the file again if it has changed. One that is wrong changes nothing."""
        if not self._file.has_changed():
            return
        self.is_in_use = self.is_in_use or os.path.lexists(self.path)
        try:
            self._known = _known(load(self.path))
        except AccessError as error:
            log.error("the keys were not read again; those known before hold", extra={"reason": str(error)})
        else:
            log.info("keys read", extra={"keys": len(self._known)})

    def find(self, key: str) -> Known | None:
        """What is known of a key. The look-up is by SHA-256, so that its time says nothing about any key."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get(digest)
        return known if known is not None and hmac.compare_digest(known.digest, digest) else None


def _known(keys: Sequence[Key]) -> dict[bytes, Known]:
    known = (
        Known(
            digest=bytes.fromhex(key.hash),
            principal=Principal(key.id, GRANTS[key.scope], None if key.models is None else frozenset(key.models)),
            expires=key.expires.timestamp() if key.expires else float("inf"),
            is_revoked=key.revoked is not None,
        )
        for key in keys
    )
    return {one.digest: one for one in known}


def load(path: str) -> list[Key]:
    """The keys of a file; none where there is no file. Raises AccessError."""
    if not os.path.lexists(path):
        return []
    content = read(path)
    if os.stat(path).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise AccessError(f"{path} can be written by others; expected mode 0600")
    try:
        keys = msgspec.json.decode(content, type=list[Key])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AccessError(f"{path} holds no list of keys: {error}") from None
    for index, key in enumerate(keys):
        if problem := _problem(key):
            raise AccessError(f"{path}: entry [{index}]: {problem}")
    return keys


def _problem(key: Key) -> str | None:
    times = (key.created, key.expires, key.revoked)
    if len(key.hash) != 64 or set(key.hash) - set("0123456789abcdef"):
        return "hash: expected 64 hexadecimal digits"
    if any(time is not None and time.tzinfo is None for time in times):
        return "expected times with their zone, such as 2026-01-31T12:00:00Z"
    return None


def create(
    path: str, scope: Scope, *, models: Sequence[str] | None, seconds: float | None, name: str, now: datetime
) -> tuple[Key, str]:
    """Add a key that expires after so many seconds, None for never: its entry, and the key itself.

    Raises AccessError; OSError when the file cannot be written; OverflowError beyond the year 9999.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    expires = None if seconds is None else now + timedelta(seconds=seconds)
    entry = Key(
        id=secrets.token_hex(6),
        hash=hashlib.sha256(secret.encode()).hexdigest(),
        scope=scope,
        created=now,
        name=name,
        models=None if models is None else list(models),
        expires=expires,
    )
    with _held(path):
        _write(path, [*load(path), entry])
    return entry, secret


def revoke(path: str, key_id: str, now: datetime) -> Key:
    """Revoke a key for good. Raises AccessError when there is none of this id, and OSError."""
    with _held(path):
        keys = load(path)
        entry = next((key for key in keys if key.id == key_id), None)
        if entry is None:
            raise AccessError(f"{path} holds no key {key_id!r}; `vedette keys list` shows those there are")
        entry.revoked = entry.revoked or now
        _write(path, keys)
    return entry


@contextmanager
def _held(path: str) -> Iterator[None]:
    """Nobody else changes the file meanwhile."""
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may be the state folder, not there yet
    descriptor = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give_away(descriptor, path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _give_away(descriptor: int, path: str) -> None:
    """What root makes for a service that is not root belongs to whom the folder belongs."""
    if os.geteuid() == 0:
        owner = os.stat(Path(path).parent)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write(path: str, keys: Sequence[Key]) -> None:
    """Replace the file, readable by its owner only; there is the old one or the new one, never half of one."""
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(keys), indent=1) + b"\n")
            _give_away(descriptor, path)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
