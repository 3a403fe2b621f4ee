"""The gate: who sends a request, and whether that sender may."""

import base64
import binascii
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from exporter.access.keys import KeyFile, default_keys_file
from exporter.access.limits import Buckets, network
from exporter.access.principal import ANYBODY, NOBODY, Principal
from exporter.access.scopes import GRANTS, HEALTH, WHOLE, needed
from exporter.config import Config, RateLimit

#: why somebody was not let in: the closed set of the label `reason`
FAILURES = ("missing", "unknown", "expired", "revoked", "invalid_token", "forbidden", "throttled")

Headers = tuple[tuple[bytes, bytes], ...]


class Users(Protocol):
    """Users with passwords, as they are now."""

    @property
    def exist(self) -> bool:
        """Whether there are any."""
        ...

    async def check(self, user: str, password: str) -> bool:
        """Whether there is such a user with this password."""
        ...


class Denied(msgspec.Struct, frozen=True):
    """The answer to somebody who may not."""

    status: int
    body: bytes
    headers: Headers


class Counts:
    """Who was kept out, since the start."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self.rate_limited = 0


class _Failed(Exception):
    """No such sender, for a reason of FAILURES."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gate:
    """Asked once for each request. Without key file, tokens and users everything is open.

    users: those with passwords, who may do everything; while there are any, nothing but health is open.
    clock: seconds since 1970; tick: monotonic.
    Raises AccessError when a file cannot be used.
    """

    def __init__(
        self,
        config: Config,
        telemetry_path: str = "/metrics",
        users: Users | None = None,
        clock: Callable[[], float] = time.time,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users, self.counts = users, Counts()
        self._telemetry_path, self._clock, self._tick = telemetry_path, clock, tick
        self._default_keys = default_keys_file(config)  # the state folder stays until a restart
        self._keys: KeyFile | None = None
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take over a configuration. Raises AccessError and changes nothing when a file cannot be used."""
        access, path = config.access, config.access.keys_file or self._default_keys
        tokens = None
        if access.jwt is not None:
            from exporter.access.tokens import Tokens  # cryptography takes its time, and most have no tokens

            tokens = Tokens(access.jwt, self._clock, self._tick)
        if self._keys is None or self._keys.path != path:
            self._keys = KeyFile(path, access.keys_file is not None, self._tick)
        self._keys.is_in_use |= access.keys_file is not None
        self._tokens, rate = tokens, access.rate_limit
        self._rates = None if rate is None else _buckets(rate)
        self._attempts = Buckets(access.failures_per_minute / 60, access.failures_per_minute)
        self._open_health = HEALTH if access.health == "open" else frozenset()
        self._open_paths = self._open_health | ({self._telemetry_path} if access.metrics == "open" else frozenset())

    @property
    def is_closed(self) -> bool:
        """Whether anybody has to show who they are."""
        assert self._keys is not None
        return self._keys.is_in_use or self._tokens is not None or self._has_users

    @property
    def is_guarding(self) -> bool:
        """Whether it has to be asked: some requests may not get in."""
        self._refresh()
        return self._rates is not None or self.is_closed

    @property
    def _has_users(self) -> bool:
        return self._users is not None and self._users.exist

    async def check(self, scope: Mapping[str, Any]) -> Principal | Denied:
        """Who sends a request of this ASGI scope, or the answer that keeps it out."""
        if not self.is_guarding:
            return ANYBODY
        needs = needed(scope["method"], scope["path"], self._open_health if self._has_users else self._open_paths)
        if needs is None:
            return NOBODY if self.is_closed else ANYBODY
        address = network(scope["client"][0]) if scope.get("client") else ""
        principal = ANYBODY
        if self.is_closed:
            try:
                principal = await self._identify(scope["headers"], address)
            except _Failed as failed:
                return self._failed(failed.reason, address)
            whole = scope["path"] in WHOLE or scope["path"] == self._telemetry_path
            if needs not in principal.scopes or (whole and principal.models is not None):
                return self._forbidden(needs, whole and needs in principal.scopes)
        return self._within_rate(principal, address)

    def _refresh(self) -> None:
        assert self._keys is not None
        self._keys.refresh()
        if self._tokens is not None:
            self._tokens.refresh()

    # -- who it is

    async def _identify(self, headers: Iterable[tuple[bytes, bytes]], address: str) -> Principal:
        """The sender. Raises _Failed."""
        kind, value = _credentials(headers)
        if kind == "basic" and self._has_users:
            return await self._user(value, address)
        if kind != "bearer":
            raise _Failed("missing")
        if self._tokens is not None and value.count(".") == 2:
            return self._token(value, address)
        return self._key(value)

    def _key(self, value: str) -> Principal:
        assert self._keys is not None
        known = self._keys.find(value)
        if known is None:
            raise _Failed("unknown")
        if known.is_revoked or known.expires <= self._clock():
            raise _Failed("revoked" if known.is_revoked else "expired")
        return known.principal

    def _token(self, value: str, address: str) -> Principal:
        from exporter.access.tokens import Refused

        assert self._tokens is not None
        principal = self._tokens.remembered(value)
        if principal is not None:
            return principal
        self._hold_back(address)
        try:
            return self._tokens.check(value)
        except Refused as refused:
            raise _Failed(refused.reason) from None

    async def _user(self, value: str, address: str) -> Principal:
        assert self._users is not None
        self._hold_back(address)
        try:
            user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise _Failed("unknown") from None
        if not colon or not await self._users.check(user, password):
            raise _Failed("unknown")
        return Principal(f"basic:{user}", GRANTS["admin"])

    def _hold_back(self, address: str) -> None:
        """Check no signature and no password for an address that has failed too often: both can be costly."""
        if self._attempts.wait(address, self._tick()):
            raise _Failed("throttled")

    # -- what it is told

    def _failed(self, reason: str, address: str) -> Denied:
        """401; 429 where the address has failed too often. A key that is right gets in from there all the same."""
        now = self._tick()
        if reason == "missing":  # nothing was tried
            self.counts.failures[reason] += 1
            return _denied(401, "a key is needed: Authorization: Bearer KEY, or X-API-Key: KEY", self._challenges(""))
        wait = self._attempts.wait(address, now) if reason == "throttled" else self._attempts.take(address, now)
        self.counts.failures["throttled" if wait else reason] += 1
        if wait:
            return _denied(429, "too many failed attempts from this address", _retry_after(wait))
        # unknown, expired and revoked are one answer: what a wrong key once was is nobody's business
        return _denied(401, "the key or token is not valid", self._challenges(', error="invalid_token"'))

    def _forbidden(self, scope: str, whole: bool) -> Denied:
        self.counts.failures["forbidden"] += 1
        detail = "this needs a key for all models" if whole else f"this needs the scope {scope}"
        challenge = f'Bearer realm="vedette", error="insufficient_scope", scope="{scope}"'
        return _denied(403, detail, ((b"www-authenticate", challenge.encode()),))

    def _challenges(self, error: str) -> Headers:
        bearer = ((b"www-authenticate", f'Bearer realm="vedette"{error}'.encode()),)
        return (
            (*bearer, (b"www-authenticate", b'Basic realm="vedette", charset="UTF-8"')) if self._has_users else bearer
        )

    def _within_rate(self, principal: Principal, address: str) -> Principal | Denied:
        if self._rates is None:
            return principal
        wait = self._rates.take(f"id {principal.id}" if principal.id else address, self._tick())
        if not wait:
            return principal
        self.counts.rate_limited += 1
        return _denied(429, "more requests than allowed", _retry_after(wait))


def _buckets(rate: RateLimit) -> Buckets:
    return Buckets(rate.requests_per_second, rate.burst or math.ceil(rate.requests_per_second))


def _credentials(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str]:
    """Kind (`bearer`, `basic` or empty) and value of what the sender shows. A key of its own header comes first."""
    found = "", ""
    for name, value in headers:
        if name == b"x-api-key":
            return "bearer", value.decode("latin-1").strip()
        if name == b"authorization":
            kind, _, rest = value.decode("latin-1").strip().partition(" ")
            found = kind.lower(), rest.strip()
    return found


def _denied(status: int, detail: str, headers: Headers = ()) -> Denied:
    body = msgspec.json.encode({"detail": detail})
    own = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    return Denied(status, body, (*own, *headers))


def _retry_after(seconds: float) -> Headers:
    return ((b"retry-after", b"%d" % max(1, math.ceil(seconds))),)
