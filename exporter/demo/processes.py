"""Servers as processes on loopback: a free port, and a server from when it is ready until it is no longer needed."""

import contextlib
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from exporter.commands import Failure

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 15.0


def free_port(wanted: int = 0) -> int:
    """The wanted loopback port if nobody listens on it, else any. Raises Failure when none is free."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    raise Failure("no loopback port is free")


@contextlib.contextmanager
def running(
    command: Sequence[str], address: str, log: Path, stop: threading.Event | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on an address (host:port), from when it is ready until the end of the block.

    log: where its output goes. Raises Failure with the end of it when the server ends, or when `stop` is set, before
    it was ready.
    """
    stop = stop or threading.Event()
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        while not _is_ready(address):
            if stop.wait(0.1):
                raise Failure("stopped before everything ran")
            if process.poll() is not None:
                raise Failure(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
