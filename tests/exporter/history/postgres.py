"""A real PostgreSQL of the test run's own, on a free port, with a new database for whoever asks."""

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

from exporter.demo.processes import free_port

#: where Debian puts the programs, which it keeps off the PATH
FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class NotToBeHad(Exception):
    """No PostgreSQL can be started here; the text says why."""


def program(name: str) -> str:
    found = next((str(folder / name) for folder in FOLDERS if (folder / name).exists()), shutil.which(name))
    if found is None:
        raise NotToBeHad(f"no {name}: apt install postgresql")
    return found


class Postgres:
    """The server, from its start until `stop`. It runs as a user without rights where the tests run as root."""

    PASSWORD = "history-password"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vedette-postgres-"))
        self._user = _plain_user()
        self.port = free_port()
        self._numbers = count(1)
        (self._folder / "password").write_text(self.PASSWORD)
        if self._user is not None:
            shutil.chown(self._folder, self._user)
            shutil.chown(self._folder / "password", self._user)
        data = self._folder / "data"
        identity = ["--username=vedette", f"--pwfile={self._folder / 'password'}", "--auth=scram-sha-256"]
        self._run(program("initdb"), f"--pgdata={data}", "--encoding=UTF8", "--no-sync", *identity)
        self.start()

    def start(self) -> None:
        """Start it, also after `stop`, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        data, log = self._folder / "data", self._folder / "log"
        self._run(program("pg_ctl"), "start", "-w", "-s", f"--pgdata={data}", f"--log={log}", f"--options={options}")

    def stop(self) -> None:
        """Stop it as a lost server: connections are cut."""
        self._run(program("pg_ctl"), "stop", "-w", "-s", f"--pgdata={self._folder / 'data'}", "--mode=immediate")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def new_database(self) -> str:
        """The address of an empty database, without the password."""
        import psycopg

        name = f"history{next(self._numbers)}"
        address = {"host": "127.0.0.1", "port": self.port, "user": "vedette", "password": self.PASSWORD}
        with psycopg.connect(**address, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return f"postgresql://vedette@127.0.0.1:{self.port}/{name}"

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, user=self._user, cwd=self._folder)
        if done.returncode:
            raise NotToBeHad(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")


def _plain_user() -> str | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
