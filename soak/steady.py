"""Steady load at 80 % of what can be judged: memory does not grow, nothing is left open, /detect stays quick.

And overload: three times of what can be judged is refused with a time to come again, in bounded memory.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import requests

from soak.crash import CONFIG
from soak.pace import Pusher, line
from soak.report import Report
from soak.senders import Dropper
from soak.service import Service
from soak.watch import PATHS, Watch

MIB = 1 << 20
#: ids that are remembered at most are 1.25 million. Their table is full before memory is looked at, and pushes have no
#: ids from then on: it sheds a fifth of itself whenever that much has come, which would hide all else
FILL = 1_300_000
EACH = 200
#: seconds between /detect requests
DETECT_EVERY = 0.02
#: how much memory may grow by the minute once all is full, in bytes; how long a look may take, in seconds
SLOPE, LOOK_SECONDS = 2 * MIB, 0.25


class Detector(threading.Thread):
    """Asks /detect again and again. seconds: of each answer. statuses: of the answers."""

    def __init__(self, url: str) -> None:
        super().__init__(name="detect")
        self._url = url + "/detect"
        self._stopping = threading.Event()
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        with requests.Session() as http:
            http.trust_env = False
            while not self._stopping.wait(DETECT_EVERY):
                begun = time.perf_counter()
                answer = http.post(self._url, data=line(f"detect-{len(self.seconds)}"), timeout=60)
                self.seconds.append(time.perf_counter() - begun)
                self.statuses[answer.status_code] += 1

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()
        self.join()


def measured_rate(service: Service, queries: int) -> float:
    """Queries judged a second when they come as fast as they are taken."""
    begun, before = time.monotonic(), service.page().get(TOTAL, 0.0)
    Pusher(service.url, 0, 500, "fill", queries).wait()
    service.settle()
    return (service.page()[TOTAL] - before) / (time.monotonic() - begun)


TOTAL = 'vedette_queries_total{model="m"}'


def steady(seconds: float = 600.0, share: float = 0.8, fill: int = FILL) -> Report:
    """Pushes, /detect and drop files together at this share of the measured rate."""
    with TemporaryDirectory() as name:
        service = _started(Path(name))
        rate = measured_rate(service, fill)
        report = Report(f"steady load, {share:.0%} of the measured rate, {seconds:.0f} s")
        drop = Dropper(Path(name) / "drop", every=1.0)  # about 200 lines a second
        detect = Detector(service.url)
        pusher = Pusher(service.url, share * rate - 200 - 1 / DETECT_EVERY, EACH, "steady", ids=False)
        before, written = service.page()[TOTAL], service.written_bytes()
        begun = time.monotonic()
        detect.start()
        drop.start()
        memory, descriptors = _memory(service, seconds)
        detect.stop()
        drop.stop()
        drop.join()
        pushed = pusher.stop()
        lasted = time.monotonic() - begun
        page = service.page()
        after = min(120.0, seconds / 3)
        report.figure("measured rate, judged a second", f"{rate:.0f}, over {fill} queries with ids")
        report.figure("judged a second during the load", f"{(page[TOTAL] - before) / lasted:.0f}")
        report.figure("pushes by status", dict(pushed.bodies))
        report.figure("/detect by status", dict(detect.statuses))
        report.figure("/detect p50, p99, max", _quantiles(detect.seconds))
        # a snapshot takes memory and gives it back, every minute: what stays is what the least of a while tells
        low, high = _by_tenth(memory, min), _by_tenth(memory, max)
        slope = _slope([point for point in low if point[0] >= after])
        report.figure("resident memory at start, end", f"{memory[0][1] / MIB:.1f}, {memory[-1][1] / MIB:.1f} MiB")
        report.figure("least in each tenth of the time", f"{_mebibytes(low)} MiB")
        report.figure("most in each tenth of the time", f"{_mebibytes(high)} MiB")
        report.figure(f"its slope after {after:.0f} s", f"{slope / MIB:+.3f} MiB a minute")
        report.figure("descriptors at start, end, most", f"{descriptors[0]}, {descriptors[-1]}, {max(descriptors)}")
        report.figure("written", f"{(service.written_bytes() - written) / MIB / lasted * 60:.0f} MiB a minute")
        report.figure("snapshots: last took", f"{page['vedette_snapshot_duration_seconds']:.2f} s")
        report.promise(
            set(pushed.bodies) == {202}, "pushes were refused: the machine was slower than when it was measured"
        )
        report.promise(slope < SLOPE, f"memory grows by {slope / MIB:.2f} MiB a minute")
        report.promise(descriptors[-1] <= descriptors[0] + 5, "descriptors are left open")
        report.promise(set(detect.statuses) == {200}, "not every /detect was answered with 200")
        report.promise(not drop_left(Path(name) / "drop"), "drop files were left")
        service.end(signal.SIGTERM)
        report.problems += service.ended_badly
        return report


def overload(seconds: float = 60.0, fill: int = FILL) -> Report:
    """Pushes at three times the measured rate."""
    with TemporaryDirectory() as name:
        service = _started(Path(name))
        rate = measured_rate(service, fill)
        report = Report(f"overload, {seconds:.0f} s")
        watch, pusher = Watch(service.url), Pusher(service.url, 3 * rate, EACH * 5, "overload", ids=False)
        before, begun = service.page()[TOTAL], time.monotonic()
        watch.start()
        memory, _ = _memory(service, seconds)
        watch.stop()
        page = service.page()
        judged = (page[TOTAL] - before) / (time.monotonic() - begun)
        pushed = pusher.stop()
        sent, refused = sum(pushed.queries.values()), pushed.queries[429]
        half = len(memory) // 2
        peaks = [max(size for _, size in part) for part in (memory[:half], memory[half:])]
        report.figure("measured rate, judged a second", f"{rate:.0f}")
        report.figure("sent, judged a second", f"{sent / seconds:.0f}, {judged:.0f}")
        report.figure("share refused with 429", f"{refused / sent:.2f}")
        report.figure("429 without Retry-After", pushed.without_retry_after)
        report.figure("pushes by status", dict(pushed.bodies))
        for path in PATHS:
            report.figure(f"{path} p50, p99, max", _quantiles(watch.seconds[path]))
        report.figure(
            "resident memory at most, first and second half", f"{peaks[0] / MIB:.1f}, {peaks[1] / MIB:.1f} MiB"
        )
        report.figure("snapshots: last took", f"{page['vedette_snapshot_duration_seconds']:.2f} s")
        report.promise(set(pushed.bodies) <= {202, 429}, f"answers other than 202 and 429: {dict(pushed.bodies)}")
        report.promise(refused > 0, "nothing was refused: it was no overload")
        report.promise(not pushed.without_retry_after, "a 429 came without Retry-After")
        report.promise(not watch.unanswered, f"{watch.unanswered} looks at /metrics or /-/healthy were not answered")
        report.promise(watch.slowest < LOOK_SECONDS, f"a look took {watch.slowest * 1000:.0f} ms")
        report.promise(peaks[1] < peaks[0] * 1.1, "memory grows under overload")
        service.end(signal.SIGKILL)
        return report


def drop_left(folder: Path) -> int:
    """Files that are not put away, after a moment to do so."""
    deadline = time.monotonic() + 20
    while (left := len(list(folder.glob("*.ndjson")))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _started(folder: Path) -> Service:
    service = Service(folder, CONFIG.format(state=folder / "state", drop=folder / "drop").replace("2s", "60s"))
    service.start()
    service.settle()
    return service


def _memory(service: Service, seconds: float) -> tuple[list[tuple[float, int]], list[int]]:
    """Resident bytes by second, and open descriptors, looked at once a second."""
    begun = time.monotonic()
    memory, descriptors = [], []
    while (now := time.monotonic() - begun) < seconds:
        memory.append((now, service.resident_bytes()))
        descriptors.append(service.descriptors())
        time.sleep(1.0)
    return memory, descriptors


def _by_tenth(points: list[tuple[float, int]], which: Callable[[list[int]], int]) -> list[tuple[float, int]]:
    """The least or the most of each tenth of the time, at its middle."""
    parts = [part.tolist() for part in np.array_split(np.array(points), 10)]
    return [(float(np.mean([time_ for time_, _ in part])), which([int(size) for _, size in part])) for part in parts]


def _mebibytes(points: list[tuple[float, int]]) -> str:
    return " ".join(f"{size / MIB:.0f}" for _, size in points)


def _slope(points: list[tuple[float, int]]) -> float:
    """Bytes a minute, by least squares."""
    times, sizes = np.array(points, dtype=np.float64).T
    return float(np.polyfit(times / 60, sizes, 1)[0])


def _quantiles(seconds: list[float]) -> str:
    p50, p99, most = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1000
    return f"{p50:.1f}, {p99:.1f}, {most:.1f} ms"
