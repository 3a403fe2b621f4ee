"""Servers under measurement: started as processes of their own, their CPU time read from the kernel."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def server(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from when it takes connections until the end of the block."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            _wait(process, port)
            yield process
        finally:
            process.terminate()
            process.wait(15)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args} did not come up")


@contextmanager
def vedette(config: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The exporter with a configuration text, and its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vedette.yml")
        path.write_text(config + f"\nstorage: {{path: {folder}/state, sync: false}}\n")
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(path), "--log.level", "error"]
        with server([*command, "--web.listen-address", f"127.0.0.1:{port}"], port) as process:
            yield process, port


@contextmanager
def bare_uvicorn() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """uvicorn with a handler that reads the body and answers a constant: the limit of what is on top of it."""
    port = free_port()
    with server([sys.executable, "-m", "bench.bare", str(port)], port) as process:
        yield process, port


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """CPU time that a process has used, user and system."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def wait_until_judged(port: int) -> None:
    """Wait until the exporter's queue is empty."""
    while b"\nvedette_queue_queries 0.0\n" not in urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read():
        time.sleep(0.01)
