"""Garbage that nearly makes sense, at a running service: no 5xx, no growth, and every record of it accounted for.

At the end the service is killed: what it took of the garbage has to come back from the journal.

python -m soak.fuzz [BODIES] [SEED]
"""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.processes import free_port
from soak.mutations import Mutations, Request
from soak.service import eventually

#: windows and tables that are full early, so that growth beyond them shows
CONFIG = """
defaults:
  detectors: [confidence, repetition: {{max_history_size: 100}}, similarity: {{max_history_size: 100}}]
limits: {{models: 8, evidence_bytes: 4MiB, body_queries: 200}}
storage: {{path: {folder}/state, snapshot_interval: 1h, sync: false}}
"""
#: part of the bodies after which memory is looked at for the first time
WARM = 0.3
#: ids that are remembered (40,000 of 100,000 bodies) and what an allocator keeps: more than this is growth
GROWTH_BYTES = 48 << 20
#: changed request heads, as a part of the bodies
HEADS = 0.02
SECONDS = 30.0
#: until it is ready again with all that it was sent in the journal
REPLAY_SECONDS = 300.0


@dataclass
class Outcome:
    """What was sent and answered, and what the service says it counted."""

    statuses: Counter[int] = field(default_factory=Counter)
    #: what was answered by 500 and above
    worst: list[Request] = field(default_factory=list)
    accepted: int = 0
    #: that pushes were told of; a retry of /detect gets the same answer as the first
    duplicates: int = 0
    rejected: int = 0
    counted_accepted: int = 0
    counted_duplicates: int = 0
    counted_rejected: int = 0
    judged: int = 0
    lost: int = 0
    failed: int = 0
    warm_bytes: int = 0
    end_bytes: int = 0
    seconds: float = 0.0
    is_healthy: bool = False

    def problems(self) -> list[str]:
        """What is not as it should be, in words."""
        promises = {
            f"answers of 500 and above: {self.worst[:3]}": not self.worst,
            "the accepted are not those that were counted": self.accepted == self.counted_accepted,
            "the rejected are not those that were counted": self.rejected == self.counted_rejected,
            "the duplicates are not those that were counted": self.duplicates <= self.counted_duplicates,
            "not every accepted query was judged": self.judged == self.accepted - self.counted_duplicates,
            "a detector failed": not self.failed,
            "the journal does not bring back what was judged": not self.lost,
            "the memory grows": self.end_bytes - self.warm_bytes < GROWTH_BYTES,
            "it is not healthy any more": self.is_healthy,
        }
        return [problem for problem, kept in promises.items() if not kept]

    def add(self, request: Request, status: int, answer: bytes) -> None:
        """Count what one answer says about its records."""
        self.statuses[status] += 1
        if status >= 500:
            self.worst.append(request)
            return
        said = json.loads(answer)
        if "accepted" in said:
            self.accepted += said["accepted"]
            self.duplicates += said["duplicates"]
            self.rejected += len(said["rejected"])
        elif status == 409 or "detections" in said:
            self.accepted += 1
        elif said["detail"].partition(" ")[0].isdigit():  # so many records in one body
            self.rejected += int(said["detail"].partition(" ")[0])
        else:
            self.rejected += 1


class Target:
    """A service of its own, and a connection to it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "vedette.yml").write_text(CONFIG.format(folder=folder))
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(folder / "vedette.yml")]
        self._command = [*command, "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "error"]
        self._http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        self.start()

    def start(self) -> None:
        """Run it, until it takes queries."""
        self.process = subprocess.Popen(self._command)
        eventually("the service to be ready", self.is_ready, REPLAY_SECONDS)

    def is_ready(self) -> bool:
        """Whether it takes queries."""
        try:
            return requests.get(f"{self.url}/-/ready", timeout=SECONDS).ok
        except requests.RequestException:
            return False

    def send(self, request: Request) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError when there is none in time."""
        headers = {"Content-Encoding": request.encoding} if request.encoding else {}
        try:
            self._http.request("POST", request.path, request.body, headers)
        except ConnectionError:  # it was closed after the answer before
            self._http.close()
            self._http.request("POST", request.path, request.body, headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def send_raw(self, head: bytes) -> None:
        """Send bytes that are hardly HTTP, and hang up without looking at what comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(head)

    def page(self) -> Counter[str]:
        """The counters of interest, added up over their labels."""
        sums: Counter[str] = Counter()
        for family in text_string_to_metric_families(requests.get(f"{self.url}/metrics", timeout=SECONDS).text):
            for sample in family.samples:
                sums[sample.name.removeprefix("vedette_")] += int(sample.value)
        return sums

    def settled(self) -> Counter[str]:
        """The counters once the queue is empty."""
        eventually("the queue to be empty", lambda: not self.page()["queue_queries"])
        return self.page()

    def resident_bytes(self) -> int:
        """What the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self) -> None:
        """End it."""
        self._http.close()
        self.process.terminate()
        self.process.wait(SECONDS)


def fuzz(bodies: int, seed: int = 0) -> Outcome:
    """Send so many bodies, then some heads; what came of it."""
    outcome, mutations = Outcome(), Mutations(seed)
    with TemporaryDirectory() as name:
        target = Target(Path(name))
        try:
            _send(target, mutations, bodies, outcome)
            _send_heads(target, mutations, int(bodies * HEADS))
            outcome.is_healthy = target.is_ready() and target.process.poll() is None
            before = target.settled()["queries_total"]
            target.process.kill()
            target.process.wait(SECONDS)
            target.start()
            outcome.lost = before - target.page()["queries_total"]
        finally:
            target.stop()
    return outcome


def _send(target: Target, mutations: Mutations, bodies: int, outcome: Outcome) -> None:
    begun = time.monotonic()
    for number in range(bodies):
        if number == int(bodies * WARM):
            target.settled()
            outcome.warm_bytes = target.resident_bytes()
        request = mutations.next()
        status, answer = target.send(request)
        while status == 429:  # judging is behind: nothing was taken
            time.sleep(0.1)
            status, answer = target.send(request)
        outcome.add(request, status, answer)
    outcome.seconds = time.monotonic() - begun
    page = target.settled()
    outcome.counted_accepted, outcome.counted_duplicates = (
        page["queries_accepted_total"],
        page["queries_duplicate_total"],
    )
    outcome.counted_rejected = page["queries_rejected_total"]
    outcome.judged, outcome.failed = page["queries_total"], page["detector_errors_total"]
    outcome.end_bytes = target.resident_bytes()


def _send_heads(target: Target, mutations: Mutations, heads: int) -> None:
    for _ in range(heads):
        path, _, body = mutations.next()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nX-API-Key: a\r\n\r\n".encode()
        target.send_raw(mutations.changed(head) + body)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    outcome = fuzz(*given or (100_000,))
    print(outcome)
    for problem in outcome.problems():
        print("FAILED:", problem)
    sys.exit(bool(outcome.problems()))
