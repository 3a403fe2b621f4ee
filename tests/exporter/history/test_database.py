"""The database is brought to the tables of this version, on SQLite and on PostgreSQL."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from exporter.config import Config, History
from exporter.history.database import HEAD, VERSION_TABLE, Database, WrongAddress, address
from exporter.history.recorder import open_database
from exporter.history.schema import metadata
from tests.exporter.history.conftest import Settings


def test_the_migrations_make_exactly_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_version_of_the_program() -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", "exporter.history:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_database_that_is_current_is_left_alone(settings: Settings) -> None:
    for _ in range(2):
        database = open_database(settings())
        database.prepare()
        database.close()
    with database.read() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all() == [HEAD]
    database.close()


def test_a_database_of_a_later_version_is_refused_and_not_touched(database: Database, settings: Settings) -> None:
    with database.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    later = open_database(settings())
    with pytest.raises(SQLAlchemyError, match="of another version"), later.write():
        pass
    later.close()
    with database.read() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "9999"


def test_a_migration_that_fails_leaves_nothing_behind(settings: Settings) -> None:
    half = open_database(settings())
    with half.engine.begin() as connection:
        connection.execute(text("CREATE TABLE vedette_inference (other INTEGER)"))
    with pytest.raises(SQLAlchemyError), half.write():
        pass
    assert set(inspect(half.engine).get_table_names()) == {"vedette_inference"}
    half.close()


def test_its_size_grows_with_its_rows(database: Database) -> None:
    before = database.size_bytes()
    row = {"id": 1, "time": 0, "alert_id": "a", "action": "resolve", "by": "me", "details": {"long": "word" * 50_000}}
    with database.write() as connection:
        connection.execute(metadata.tables["vedette_alert_audit"].insert(), [row | {"id": n} for n in range(20)])
    assert database.size_bytes() > before


def test_sqlite_reads_go_on_while_something_is_written(tmp_path: Path) -> None:
    database = Database(address(None, tmp_path))
    with database.write() as writing, database.read() as reading:
        writing.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'x'"))
        assert reading.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == HEAD
        assert reading.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        writing.rollback()
    database.close()


def test_the_default_is_a_file_in_the_state_folder() -> None:
    assert str(address(None, Path("/state"))) == "sqlite:////state/history.db"
    assert str(address("sqlite:////data/h.db", Path("/state"))) == "sqlite:////data/h.db"


@pytest.mark.parametrize("url", ["mysql://host/db", "nonsense", "sqlite://"])
def test_what_is_no_address_of_the_two_is_refused(url: str) -> None:
    with pytest.raises(WrongAddress):
        address(url, Path("/state"))


def test_a_wrong_password_is_an_error_that_does_not_show_it(settings: Settings, tmp_path: Path) -> None:
    config = settings()
    if config.history.url is None:
        pytest.skip("SQLite has no password")
    Path(str(config.history.password_file)).write_text("wrong-secret")
    database = open_database(config)
    with pytest.raises(SQLAlchemyError, match="password authentication failed") as error, database.write():
        pass
    assert "wrong-secret" not in str(error.value)
    database.close()


def test_to_know_of_the_history_needs_no_sqlalchemy() -> None:
    program = "import sys, exporter.history.recorder, exporter.history.judged; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"sqlalchemy", "alembic"} & set(done.stdout.split()) == set()


def test_the_file_is_for_the_owner_alone(tmp_path: Path) -> None:
    database = open_database(Config(history=History(url=f"sqlite:///{tmp_path}/h.db")))
    database.prepare()
    assert stat.S_IMODE((tmp_path / "h.db").stat().st_mode) == 0o600
    database.close()


def test_the_first_start_logs_one_line_about_the_tables_and_nothing_of_the_library(tmp_path: Path) -> None:
    script = (
        "import sys; from exporter.logs import set_up_logging; set_up_logging();"
        "from exporter.config import Config, Storage; from exporter.history.recorder import open_database;"
        "open_database(Config(storage=Storage(path=sys.argv[1]))).prepare()"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert len(done.stderr.splitlines()) == 1
    assert "the tables of the history are those of this version" in done.stderr
