"""Servers under measurement: started as processes of their own, their CPU time read from the kernel."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from exporter.demo.processes import free_port, running


@contextmanager
def server(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from when it is ready until the end of the block."""
    with TemporaryDirectory() as folder, running(command, f"127.0.0.1:{port}", Path(folder, "log")) as process:
        yield process


@contextmanager
def vedette(config: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The exporter with a configuration text, and its port."""
    port = free_port()
    with TemporaryDirectory() as folder:
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
