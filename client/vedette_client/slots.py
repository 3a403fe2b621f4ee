"""Folders of which each process has one of its own, so that several can share a buffer folder.

A process holds the lock on its folder as long as it lives. The folder of one that ended is taken by the next, and what
other ended ones left behind is moved over by whoever looks first.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

#: more processes than this on one folder are a slip
MOST = 1024


class Slot:
    """A folder that is locked for this process."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder, self._lock = folder, lock

    def release(self) -> None:
        """Let another process have it. A forked child does this to its parent's, whose lock it leaves alone."""
        with contextlib.suppress(OSError):
            os.close(self._lock)


def claim(root: Path) -> Slot:
    """The first free folder. Raises OSError where none can be made or locked."""
    if fcntl is None:
        raise OSError("file locks of this system are not supported")
    for number in range(MOST):
        if slot := _locked(root / f"{number:03d}"):
            return slot
    raise OSError(f"more than {MOST} processes use it")


def others(root: Path, own: Slot) -> Iterator[Slot]:
    """The folders of ended processes, each locked while it is looked at."""
    for folder in sorted(root.glob("[0-9][0-9][0-9]")):
        if folder != own.folder and (slot := _locked(folder)):
            yield slot
            slot.release()


def _locked(folder: Path) -> Slot | None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:
        os.close(lock)
        raise
    return Slot(folder, lock)
