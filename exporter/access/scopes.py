"""Which scope a request needs: a table of what may be sent, `read` for every other GET, `admin` for all the rest.

`admin` implies `push` and `read`: who may change the service may use it. `push` does not imply `read`: the key of a
gateway lies in many places, and must not show what others asked.
"""

import re
from collections.abc import Collection
from typing import Literal, get_args

Scope = Literal["push", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
GRANTS: dict[str, frozenset[str]] = {
    "push": frozenset({"push"}),
    "read": frozenset({"read"}),
    "admin": frozenset(SCOPES),
}

#: what a key of the scope may send with POST. A path that is not here needs `admin`: what is new is closed
ROUTES: dict[str, Scope] = {
    "/api/v1/queries": "push",
    "/detect": "push",
    "/api/v1/metrics/inference": "push",
    "/api/v1/metrics/drift": "push",
    "/api/v1/metrics/custom": "push",
    "/api/v1/events": "push",
    "/api/v1/anomalies": "push",
    "/api/v1/alerts/webhook": "push",
    "/-/reload": "admin",
    "/api/v1/models": "admin",
    "/api/v1/models/{id}/train": "admin",
    "/api/v1/models/{model}/warm-up": "admin",
    "/api/v1/models/{model}/reference": "admin",
    "/api/v1/models/{id}/rollback": "admin",
    "/api/v1/feedback": "admin",
    "/api/v1/anomalies/{id}/confirm": "admin",
    "/api/v1/clients/{client}": "admin",  # DELETE
    "/api/v1/clients/{client}/dismiss": "admin",
    "/api/v1/alerts/acknowledge": "admin",
    "/api/v1/alerts/resolve": "admin",
}
HEALTH = frozenset({"/-/healthy", "/-/ready", "/health", "/api/v1/health"})
#: what concerns all models at once, and so is not for keys that are limited to some
WHOLE = frozenset({"/-/reload"})

_PATTERNS = {
    re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))): scope for path, scope in ROUTES.items() if "{" in path
}


def needed(method: str, path: str, open_paths: Collection[str] = ()) -> Scope | None:
    """The scope for a request; None where anybody may read."""
    if method in ("GET", "HEAD"):
        return None if path in open_paths else "read"
    if method != "POST":
        return "admin"
    return ROUTES.get(path) or next((scope for pattern, scope in _PATTERNS.items() if pattern.fullmatch(path)), "admin")


def is_listed(path: str) -> bool:
    """Whether the table says of a path (or template of paths) who may send to it."""
    return path in ROUTES or any(pattern.fullmatch(path) for pattern in _PATTERNS)
