"""The exporter as a process of its own, which is ended and started again on the same folder."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import requests

from exporter.demo.processes import free_port

#: seconds within which an orderly end has to come
STOP_SECONDS = 10.0
#: how an ended process may have ended: by SIGTERM before it could be told how, in good order, or killed
ENDS = {signal.SIGKILL: (-signal.SIGKILL,), signal.SIGTERM: (0, -signal.SIGTERM)}


class Service:
    """One port and one configuration; one process at a time. `ended_badly`: ends that were not as they should be."""

    def __init__(self, folder: Path, config: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config_file = folder / "vedette.yml"
        self.config_file.write_text(config)
        self.log = folder / "log"
        self.ends = dict.fromkeys(ENDS, 0)
        self.ended_badly: list[str] = []

    def start(self) -> None:
        """Start it, without waiting until it is ready."""
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(self.config_file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "warn"], stderr=log
            )

    def end(self, how: signal.Signals) -> None:
        """End it with SIGKILL or SIGTERM, and see how it went."""
        begun = time.monotonic()
        self.process.send_signal(how)
        code, seconds = self.process.wait(), time.monotonic() - begun
        self.ends[how] += 1
        if code not in ENDS[how] or seconds > STOP_SECONDS:
            self.ended_badly.append(f"{how.name}: exit code {code} after {seconds:.1f} s")

    def is_up(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether it takes queries."""
        try:
            return get(f"{self.url}/-/ready").ok
        except requests.RequestException:
            return False

    def page(self) -> dict[str, float]:
        """The samples of `/metrics` by name and labels, as they are written there. Raises RequestException."""
        return samples(get(f"{self.url}/metrics").text)

    def settle(self) -> None:
        """Wait until it is ready and its queue empty."""
        eventually("the service to be ready", self.is_ready)
        eventually("the queue to be empty", lambda: self.page()["vedette_queue_queries"] == 0)

    def resident_bytes(self) -> int:
        """Memory that the process holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Files and connections that the process has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def written_bytes(self) -> int:
        """What the process has handed to storage since it started."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["write_bytes"])

    def limit_files(self, size: int) -> None:
        """Let no file of the process grow beyond this size; -1 lifts it."""
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))


_threads = threading.local()


def get(url: str) -> requests.Response:
    """GET over a connection that each thread keeps. Raises RequestException."""
    if not hasattr(_threads, "http"):
        _threads.http = requests.Session()
        _threads.http.trust_env = False
    return _threads.http.get(url, timeout=5)


def samples(page: str) -> dict[str, float]:
    """The samples of a page in the text format, by name and labels as they are written there."""
    lines = (line.rpartition(" ") for line in page.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def eventually(what: str, is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
