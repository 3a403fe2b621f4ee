"""The database: how it is reached, brought to the tables of this version, and how large it is.

SQLite in the state folder, or PostgreSQL by its URL. This module imports SQLAlchemy and so is imported late.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from exporter.history.schema import PREFIX, metadata

log = logging.getLogger(__name__)

#: the newest step in `migrations/versions`; where the database is there, Alembic is not even imported
HEAD = "0001"
VERSION_TABLE = f"{PREFIX}history_version"
#: seconds after which a connection, a lock or a statement is given up
CONNECT_SECONDS, LOCK_SECONDS, STATEMENT_SECONDS = 5, 5, 60
#: one who migrates at a time, whichever exporter it is: any number that nobody else uses
MIGRATION_LOCK = 0x7665646574746501
#: connections of those who read, and of those who write; who finds none is told so after a lock's time
READERS, WRITERS = 4, 3


class WrongAddress(ValueError):
    """An address that is no database of the two kinds, or whose driver is not installed."""


def address(url: str | None, folder: Path) -> URL:
    """The database of a configuration: SQLite in the state folder where no URL is given. Raises WrongAddress."""
    if url is None:
        return URL.create("sqlite", database=str(folder / "history.db"))
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise WrongAddress("no address such as postgresql://user@host:5432/database") from None
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and parsed.database:
        return parsed
    raise WrongAddress("no postgresql:// or sqlite:/// address")


class Database:
    """One database, opened when it is first used and again after it was lost.

    password: read for every new connection, so that a changed secret needs no restart; None leaves the URL's.
    Every method raises SQLAlchemyError when the database cannot be had.
    """

    def __init__(self, url: URL, password: Callable[[], str] | None = None) -> None:
        self.url, self._password = url, password
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = self._engine(READERS)
        # of its own, so that readers who take long cannot keep a writer waiting for a connection
        self._writing = self._engine(WRITERS).execution_options(vedette_writes=True)
        self._is_current = False

    def _engine(self, connections: int) -> Engine:
        shared: dict[str, Any] = {"json_serializer": _json, "json_deserializer": msgspec.json.decode}
        shared |= {"pool_size": connections, "max_overflow": 0, "pool_timeout": LOCK_SECONDS}
        if self.is_sqlite:
            engine = create_engine(self.url, connect_args={"timeout": LOCK_SECONDS}, **shared)
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        try:
            engine = create_engine(
                self.url,
                connect_args={
                    "connect_timeout": CONNECT_SECONDS,
                    "tcp_user_timeout": 10_000,
                    "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s",
                    "application_name": "vedette",
                },
                pool_pre_ping=True,
                **shared,
            )
        except ModuleNotFoundError:
            raise WrongAddress("psycopg is not installed: pip install 'vedette[postgresql]'") from None
        event.listen(engine, "do_connect", self._authenticate)
        return engine

    def _authenticate(self, dialect: Any, record: Any, arguments: list[Any], keywords: dict[str, Any]) -> None:
        if self._password is not None:
            keywords["password"] = self._password()

    def prepare(self) -> None:
        """Bring the tables to this version, once."""
        if self._is_current:
            return
        if self.is_sqlite and self.url.database:
            with contextlib.suppress(OSError):  # for the owner alone; what cannot be made, SQLite will say
                Path(self.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.url.database, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with self._writing.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            if _version(connection) != HEAD:
                _migrate(connection)
        self._is_current = True

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes, on tables that are there."""
        self.prepare()
        with self._writing.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads. Rows that are streamed come through a cursor of the server."""
        self.prepare()
        with self.engine.connect().execution_options(stream_results=True) as connection:
            yield connection

    def size_bytes(self) -> int:
        """What the rows, their indexes and, on PostgreSQL, the room that deleted rows left take up."""
        with self.read() as connection:
            if self.is_sqlite:
                pages, free, each = (
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("page_count", "freelist_count", "page_size")
                )
                return int((pages - free) * each)
            size = text("SELECT coalesce(pg_total_relation_size(to_regclass(:name)), 0)")
            return sum(int(connection.execute(size, {"name": name}).scalar_one()) for name in metadata.tables)

    def give_back(self, table: str) -> None:
        """Make the room of deleted rows usable again: to the disk on SQLite, to later rows on PostgreSQL."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA incremental_vacuum(2000)" if self.is_sqlite else f"VACUUM {table}")

    def close(self) -> None:
        """Close what is open."""
        self.engine.dispose()
        self._writing.dispose()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver's own transactions leave out tables that are made
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):  # both stay in the file, and need it alone
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        writes = connection.get_execution_options().get("vedette_writes")
        # a writer that first reads would fail where another one wrote in between
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _migrate(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # what it does is said below; it talks when imported, too
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "exporter.history:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SQLAlchemyError(f"the database is of another version: {error}") from None
    log.info("the tables of the history are those of this version", extra={"version": HEAD})
