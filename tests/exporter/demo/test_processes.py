"""Servers as processes: the port they get, and what is said of one that does not start."""

import socket
import sys
import threading
from pathlib import Path

import pytest

from exporter.commands import Failure
from exporter.demo.processes import free_port, running


def test_a_wanted_port_is_given_while_it_is_free_and_another_one_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        assert free_port(wanted) not in (0, wanted)
    assert free_port(wanted) == wanted


def test_a_server_that_ends_before_it_is_ready_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no configuration')"]
    with (
        pytest.raises(Failure, match=r"did not start:\nno configuration"),
        running(command, f"127.0.0.1:{free_port()}", tmp_path / "log"),
    ):
        raise AssertionError("it is not running")


def test_a_server_that_is_no_longer_wanted_is_ended_before_it_is_ready(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        pytest.raises(Failure, match="stopped before everything ran"),
        running(command, f"127.0.0.1:{free_port()}", tmp_path / "log", stop),
    ):
        raise AssertionError("it is not running")
