"""Who sends a request."""

import msgspec

from exporter.access.scopes import GRANTS


class Principal(msgspec.Struct, frozen=True):
    """Who sends a request, and what that sender may do.

    id: of the key, `jwt:` and the subject, or `basic:` and the user; empty for anybody. Nothing secret.
    models: what it may name; None for all.
    """

    id: str
    scopes: frozenset[str]
    models: frozenset[str] | None = None


#: everybody, where nothing is closed
ANYBODY = Principal("", GRANTS["admin"])
#: whoever asks for what is open
NOBODY = Principal("", frozenset())
