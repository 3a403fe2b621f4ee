"""What the tests of access control share: keys, requests, and a gate on a standing clock."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.access import keys
from exporter.access.gate import Denied, Gate
from exporter.access.principal import Principal
from exporter.config import Access, Config, Storage
from tests.exporter.conftest import Clock

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def request(method: str = "GET", path: str = "/", address: str = "192.0.2.1", **headers: str) -> dict[str, Any]:
    """An ASGI scope."""
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "client": (address, 4711), "headers": named}


class Door:
    """A gate, its key file, and the clocks it runs on."""

    def __init__(self, folder: Path, access: Access, **other: Any) -> None:
        self.config = Config(storage=Storage(path=str(folder)), access=access)
        self.path = keys.keys_file(self.config)
        self.clock, self.tick = Clock(NOW.timestamp()), Clock()
        self._access, self._other = access, other
        self.gate = self.fresh()

    def fresh(self) -> Gate:
        """A new gate, as after a restart."""
        return Gate(self.config, clock=self.clock, tick=self.tick, **self._other)

    def key(self, scope: Any = "push", models: list[str] | None = None, seconds: float | None = None) -> str:
        """A new key, which the gate knows of."""
        _, secret = keys.create(self.path, scope, models=models, seconds=seconds, name="", now=NOW)
        self.tick.now += 2
        return secret

    def ask(self, *arguments: Any, **headers: str) -> Principal | Denied:
        """What the gate says to a request."""
        return asyncio.run(self.gate.check(request(*arguments, **headers)))

    def status(self, *arguments: Any, **headers: str) -> int:
        """The status of what the gate says; 200 for those who get in."""
        answer = self.ask(*arguments, **headers)
        return answer.status if isinstance(answer, Denied) else 200


@pytest.fixture
def door(tmp_path: Path) -> Callable[..., Door]:
    def build(users: Any = None, **access: Any) -> Door:
        return Door(tmp_path, Access(**access), users=users)

    return build


def bearer(secret: str) -> str:
    return f"Bearer {secret}"
