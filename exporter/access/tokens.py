"""JSON Web Tokens of another service. Which algorithm holds follows from the configured file, never from the token:

`secret_file` is HS256, `public_key_file` and `jwks_file` are RS256. A token needs `exp`; it may have `scope` (names
separated by blanks), `models` (a list) and `sub`. What was found good is remembered until it expires.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from exporter.access import AccessError
from exporter.access.files import WatchedFile, read, read_secret
from exporter.access.principal import Principal
from exporter.access.scopes import GRANTS
from exporter.config import Jwt

log = logging.getLogger(__name__)
MIN_RSA_BITS = 2048
REMEMBERED = 10_000

#: by `kid`; the one key of a file that is no set stands under None
Keys = dict[str | None, Any]


class Refused(Exception):
    """A token that is not taken. reason: `expired` or `invalid_token`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Tokens:
    """Checks tokens. `clock` is seconds since 1970. Raises AccessError when the file of the key is wrong."""

    def __init__(
        self, config: Jwt, clock: Callable[[], float] = time.time, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._clock = config, clock
        _, self._path, self._algorithm, self._read = _chosen(config)
        self._file = WatchedFile(self._path, tick)
        self._keys = self._read(self._path)
        self._good: dict[bytes, tuple[Principal, float]] = {}

    def __len__(self) -> int:
        return len(self._good)

    def refresh(self) -> None:
        """Read the key again if its file has changed. One that is wrong changes nothing."""
        if not self._file.has_changed():
            return
        try:
            self._keys = self._read(self._path)
        except AccessError as error:
            log.error("the key of tokens was not read again; the one before holds", extra={"reason": str(error)})
        else:
            self._good.clear()
            log.info("key of tokens read")

    def remembered(self, token: str) -> Principal | None:
        """Who sends a token that was found good before; a look-up."""
        digest = _digest(token)
        good = self._good.get(digest)
        if good is None:
            return None
        if good[1] > self._clock():
            return good[0]
        del self._good[digest]
        return None

    def check(self, token: str) -> Principal:
        """Who sends it. Raises Refused."""
        claims = self._verified(token)
        expires = float(claims["exp"])
        if expires <= self._clock():
            raise Refused("expired")
        principal = _principal(claims)
        if len(self._good) >= REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[_digest(token)] = principal, expires
        return principal

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._key(token),
                algorithms=[self._algorithm],
                issuer=self._config.issuer,
                audience=self._config.audience,
                options={"require": ["exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise Refused("expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Refused("invalid_token") from None

    def _key(self, token: str) -> Any:
        if None in self._keys:
            return self._keys[None]
        named = jwt.get_unverified_header(token).get("kid")
        if named is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if not isinstance(named, str) or named not in self._keys:
            raise Refused("invalid_token")
        return self._keys[named]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _principal(claims: dict[str, Any]) -> Principal:
    """What the claims allow. A claim that is there and wrong is refused, so that a limit is never lost."""
    scope, models = claims.get("scope", ""), claims.get("models")
    if not isinstance(scope, str):
        raise Refused("invalid_token")
    if models is not None and not (isinstance(models, list) and all(isinstance(model, str) for model in models)):
        raise Refused("invalid_token")
    granted = [GRANTS[name] for name in scope.split() if name in GRANTS]
    return Principal(
        f"jwt:{claims.get('sub', '')}",
        frozenset().union(*granted),
        None if models is None else frozenset(models),
    )


# -- the files


def problem(config: Jwt) -> tuple[str, str] | None:
    """The key of the section that cannot be used, and why."""
    try:
        name, path, _, reads = _chosen(config)
    except AccessError as error:
        return "", str(error)
    try:
        reads(path)
    except AccessError as error:
        return name, str(error)
    return None


def _chosen(config: Jwt) -> tuple[str, str, str, Callable[[str], Keys]]:
    """The key of the section that is given, its file, the algorithm, and how the file is read."""
    ways = (
        ("secret_file", config.secret_file, "HS256", _secret),
        ("public_key_file", config.public_key_file, "RS256", _public_key),
        ("jwks_file", config.jwks_file, "RS256", _key_set),
    )
    given = [(name, path, algorithm, reads) for name, path, algorithm, reads in ways if path is not None]
    if len(given) != 1:
        raise AccessError("expected one of secret_file, public_key_file, jwks_file")
    return given[0]


def _secret(path: str) -> Keys:
    return {None: read_secret(path)}


def _public_key(path: str) -> Keys:
    try:
        key = load_pem_public_key(read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        if isinstance(error, AccessError):
            raise
        raise AccessError(f"{path} holds no public key; expected RSA as PEM") from None
    return {None: _rsa(key, path)}


def _key_set(path: str) -> Keys:
    content = read(path)
    try:
        keys = jwt.PyJWKSet.from_dict(msgspec.json.decode(content, type=dict[str, Any])).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, jwt.PyJWTError, TypeError, AttributeError):
        raise AccessError(f"{path} holds no JSON Web Key Set") from None
    found: Keys = {key.key_id or "": _rsa(key.key, path) for key in keys if key.key_type == "RSA"}
    if not found:
        raise AccessError(f"{path} holds no RSA key")
    return found


def _rsa(key: Any, path: str) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise AccessError(f"{path}: expected a public RSA key of at least {MIN_RSA_BITS} bits")
    return key
