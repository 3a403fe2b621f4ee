"""Both databases, for real: every test that asks for `settings` or `database` runs on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.config import Config, History, Storage
from exporter.history.database import Database
from exporter.history.recorder import Recorder, open_database
from tests.exporter.conftest import Clock
from tests.exporter.history.postgres import Postgres

NOW = 1_700_000_000.0
Settings = Callable[..., Config]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A configuration with an empty database of one kind; keys of `history` can be given."""
    where = {}
    if request.param == "postgresql":
        (tmp_path / "password").write_text(f"{Postgres.PASSWORD}\n")
        server = request.getfixturevalue("postgres")
        where = {"url": server.new_database(), "password_file": str(tmp_path / "password")}

    def build(**keys: object) -> Config:
        return Config(storage=Storage(path=str(tmp_path)), history=History(**(where | keys)))

    return build


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = open_database(settings())
    yield opened
    opened.close()


class Ticks(Clock):
    """A monotonic clock that stands until it is moved."""


@pytest.fixture
def recorder(settings: Settings) -> Iterator[Recorder]:
    """A recorder whose thread does not run: `turn()` writes."""
    made = Recorder(settings(), Clock(NOW), Ticks())
    yield made
    made.stop(0)
