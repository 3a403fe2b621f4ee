"""Killed again and again under load: every acknowledged query is judged once, and counters only go on.

python -m soak.crash [SECONDS]
"""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from exporter.demo.processes import free_port
from soak.senders import DETECT, PUSH, Dropper, Scraper, Sender, eventually

CONFIG = """
models: [{{name: m, modality: text, detectors: [confidence, repetition, similarity]}}]
storage: {{path: {folder}/state, snapshot_interval: 2s}}
sources: {{drop_directory: {{path: {folder}/drop}}}}
"""
#: how many of the ends are kill -9; the others are SIGTERM
KILLED = 0.8


@dataclass(frozen=True)
class Outcome:
    """What was sent, acknowledged and judged. judged: before unanswered queries were sent again; then: after."""

    ends: int
    tried: int
    acknowledged: int
    dropped: int
    judged: int
    then: int
    increase: int
    lower: int
    epochs: int

    def problems(self) -> list[str]:
        """What is not as it was promised, in words."""
        promises = {
            "an acknowledged query was not judged": self.acknowledged + self.dropped <= self.judged,
            "a query was judged twice": self.judged <= self.tried + self.dropped,
            "after the retries not every query was judged exactly once": self.then == self.tried + self.dropped,
            "a counter came back lower": not self.lower,
            "increase() is above the true number": self.increase <= self.then,
            "the counters began anew": self.epochs == 1,
        }
        return [problem for problem, kept in promises.items() if not kept]


def crash(seconds: float, seed: int = 0) -> Outcome:
    """Run the exporter for so long under load, ending it every second or so in the middle of it."""
    rng, port = random.Random(seed), free_port()
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vedette.yml").write_text(CONFIG.format(folder=folder))
        senders = [Sender(url, PUSH, f"push{place}", 5) for place in range(4)]
        senders += [Sender(url, DETECT, f"detect{place}", 1) for place in range(3)]
        dropper, scraper = Dropper(folder / "drop", 50), Scraper(url)
        process, ends = _start(folder, port), 0
        threads = [*senders, dropper, scraper]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                time.sleep(rng.uniform(0.2, 2.5))
                process.send_signal(signal.SIGKILL if rng.random() < KILLED else signal.SIGTERM)
                process.wait()
                process, ends = _start(folder, port), ends + 1
        finally:
            for thread in threads[:-1]:
                thread.stop()
            for thread in threads[:-1]:
                thread.join()
        acknowledged = sum(len(sender.acknowledged) for sender in senders)
        judged = _settled(url, folder, scraper)
        for sender in senders:
            sender.send_rest()
        then = _settled(url, folder, scraper)
        scraper.stop()
        scraper.join()
        process.terminate()
        process.wait()
    return Outcome(
        ends=ends,
        tried=sum(len(sender.tried) for sender in senders),
        acknowledged=acknowledged,
        dropped=dropper.dropped,
        judged=judged,
        then=then,
        increase=int(scraper.increase),
        lower=scraper.lower,
        epochs=len(scraper.epochs),
    )


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(folder / "vedette.yml")]
    return subprocess.Popen([*command, "--web.listen-address", f"127.0.0.1:{port}", "--log.level", "error"])


def _settled(url: str, folder: Path, scraper: Scraper) -> int:
    """The counter, once the service is ready, all files are read and the queue is empty."""
    eventually("the service to be ready", lambda: _is_ready(url))
    eventually("all files to be read", lambda: not list((folder / "drop").glob("*.ndjson")))
    eventually("the queue to be empty", lambda: "\nvedette_queue_queries 0.0\n" in requests.get(f"{url}/metrics").text)
    scraper.scrape()
    return int(scraper.last)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=5).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    outcome = crash(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
    print(outcome)
    for problem in outcome.problems():
        print("FAILED:", problem)
    sys.exit(bool(outcome.problems()))
