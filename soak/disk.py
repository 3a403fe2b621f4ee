"""A full disk under load: what cannot be kept is refused, nothing that was acknowledged is lost, and it goes on.

The state folder is a small file system in memory, which is filled up to its last byte; without root, the files of the
process may not grow any more, which only its own writes notice.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from soak.crash import Run
from soak.report import Report
from soak.service import Service, eventually
from soak.watch import Watch

DISK_BYTES = 512 << 20
#: bytes beyond which no file grows while there is no room, without root
FILE_BYTES = 4096
#: refused because it could not be kept
NOT_STORED = 507


def full_disk(seconds: float = 20.0) -> Report:
    """A quarter of the time with room, half without (with a kill -9 in the middle of it), a quarter with room again."""
    with TemporaryDirectory() as name, _disk(Path(name, "disk")) as is_real:
        folder = Path(name)
        report = Report(f"full disk: {'a file system in memory' if is_real else 'a limit on the size of files'}")
        run = Run(folder, folder / "disk")
        with run:
            eventually("the service to be ready", run.service.is_ready)
            time.sleep(seconds / 4)
            room = Room(run.service, folder / "disk" / "ballast" if is_real else None)
            watch = Watch(run.service.url)
            watch.start()
            room.take()
            time.sleep(seconds / 4)
            watch.pause()
            run.restart(signal.SIGKILL)
            room.take()
            eventually("the service to be ready on the full disk", run.service.is_ready)
            watch.pause(False)
            time.sleep(seconds / 4)
            refused = run.load.statuses()[NOT_STORED]
            page, log = run.service.page(), run.service.log.read_text()
            failed = page["vedette_snapshot_failures_total"]
            counted = page['vedette_queries_rejected_total{reason="not_stored",source="push"}']
            room.give()
            taken = sum(len(sender.acknowledged) for sender in run.load.senders)
            eventually("queries to be taken again", lambda: len(run.load.acknowledged()) > taken)
            time.sleep(seconds / 4)
            watch.stop()
        report.figure("refused with 507 while it was full", refused)
        report.figure("snapshots that failed after the kill", int(failed))
        report.figure("looks at /metrics and /-/healthy while full", watch.looks)
        report.figure("slowest of them", f"{watch.slowest * 1000:.0f} ms")
        report.figure("answers by status", dict(sorted(run.load.statuses().items())))
        report.promise(refused > 0, "nothing was refused with 507: the disk was not full")
        report.promise(counted > 0, "the refused are not counted as not_stored")
        report.promise("cannot write the journal" in log, "the log says nothing of the journal")
        report.promise("no snapshot was written" in log, "the log says nothing of the snapshot")
        report.promise(failed > 0, "no snapshot failed: the disk was not full")
        report.promise(not watch.unanswered, f"{watch.unanswered} looks at /metrics or /-/healthy were not answered")
        unexpected = set(run.load.statuses()) - {200, 202, 409, 429, 503, NOT_STORED}
        report.promise(not unexpected, f"answers of status {unexpected}")
        run.conclude(report)
        return report


@contextlib.contextmanager
def _disk(place: Path) -> Iterator[bool]:
    """A small file system at this place; False, and a plain folder, where that is not permitted."""
    place.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


class Room:
    """The room on the disk: taken by a ballast file, or from the process by a limit on its files."""

    def __init__(self, service: Service, ballast: Path | None) -> None:
        self._service, self._ballast = service, ballast

    def take(self) -> None:
        """Leave none."""
        if self._ballast is None:
            self._service.limit_files(FILE_BYTES)
            return
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while ballast.write(bytes(1 << 16)):
                pass

    def give(self) -> None:
        """Give it back."""
        if self._ballast is None:
            self._service.limit_files(-1)
        else:
            self._ballast.unlink()
