"""What the tests of storage share: a file system whose calls can be made to fail, and a journal to write with."""

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.storage.files import Files
from exporter.storage.journal import Journal

MIB = 2**20


class FailingFiles(Files):
    """Real files without the wait for the disk; the calls whose numbers are given fail.

    A write that fails has written half of its bytes first, as a full disk does. late: calls fail after they have done
    their work, and writes have written all. short: no write takes more than this many bytes at once. calls: names of
    all so far.
    """

    def __init__(self, failing: Collection[int] = (), *, late: bool = False, short: int | None = None) -> None:
        self.failing = failing
        self.late = late
        self.short = short
        self.calls: list[str] = []

    @contextmanager
    def _call(self, name: str) -> Iterator[bool]:
        """Around the work of a call: whether it is to be done."""
        self.calls.append(name)
        fails = len(self.calls) in self.failing
        yield self.late or not fails
        if fails:
            raise OSError(errno.ENOSPC, "no space left, says the test")

    def open(self, path: Path, flags: int) -> int:
        with self._call("open"):
            pass
        return super().open(path, flags)

    def write(self, descriptor: int, content: memoryview) -> int:
        with self._call("write") as work:
            return super().write(descriptor, content[: self.short] if work else content[: len(content) // 2])

    def write_at(self, descriptor: int, content: memoryview, offset: int) -> int:
        with self._call("write_at") as work:
            part = content[: self.short] if work else content[: len(content) // 2]
            return super().write_at(descriptor, part, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        with self._call("truncate") as work:
            if work:
                super().truncate(descriptor, size)

    def sync_data(self, descriptor: int) -> None:
        with self._call("sync_data") as work:
            if work:
                self.reach_the_disk(descriptor)

    def sync(self, descriptor: int) -> None:
        with self._call("sync") as work:
            if work:
                self.reach_the_disk(descriptor)

    def reach_the_disk(self, descriptor: int) -> None:
        """A sync that worked."""

    def rename(self, path: Path, target: Path) -> None:
        with self._call("rename") as work:
            if work:
                super().rename(path, target)

    def link(self, path: Path, target: Path) -> None:
        with self._call("link") as work:
            if work:
                super().link(path, target)

    def unlink(self, path: Path) -> None:
        with self._call("unlink") as work:
            if work:
                super().unlink(path)


class PluggedFiles(FailingFiles):
    """Files of one folder and its subfolders, of which it is known what a power cut would leave: only what was synced.

    Contents count from the last sync of the file, names from the last sync of their folder.
    """

    def __init__(self, folder: Path, failing: Collection[int] = (), *, late: bool = False) -> None:
        super().__init__(failing, late=late)
        self.folder = folder
        self.contents: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}

    def reach_the_disk(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            self.names[path] = {file.name: file.stat().st_ino for file in path.iterdir() if file.is_file()}
        else:
            self.contents[os.fstat(descriptor).st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def pull_the_plug(self, rest: Path) -> None:
        """Put into the folder `rest` what a power cut would leave now."""
        rest.mkdir()
        for folder, names in self.names.items():
            if folder.is_relative_to(self.folder):
                there = rest / folder.relative_to(self.folder)
                there.mkdir(parents=True, exist_ok=True)
                for name, inode in names.items():
                    (there / name).write_bytes(self.contents.get(inode, b""))


class Writer:
    """Appends records and keeps what became of them: (record, number) of those on the disk, and records refused."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.kept: list[tuple[int, bytes]] = []
        self.refused: list[bytes] = []
        self.told: list[bytes] = []

    def append(self, *records: bytes) -> None:
        """As one group, if nothing is written meanwhile."""
        for record in records:
            self._append(record)

    def _append(self, record: bytes) -> None:
        number = 0

        def done(error: Exception | None) -> None:
            self.told.append(record)
            if error is None:
                self.kept.append((number, record))
            else:
                self.refused.append(record)

        number = self.journal.append(record, done)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_journal(folder: Path) -> Iterator[Callable[..., Journal]]:
    """Opens journals in the folder, and stops those that are still open at the end."""
    opened: list[Journal] = []

    def build(**options: Any) -> Journal:
        journal = Journal(folder, **{"max_bytes": 64 * MIB, "interval": 0.0, "files": FailingFiles(), **options})
        opened.append(journal)
        return journal

    yield build
    for journal in opened:
        journal.stop()


def written(folder: Path, *groups: list[bytes], **options: Any) -> None:
    """Write groups of records in one run each."""
    for group in groups:
        journal = Journal(folder, **{"max_bytes": 64 * MIB, "interval": 0.0, "files": FailingFiles(), **options})
        writer = Writer(journal)
        writer.append(*group)
        journal.stop()
        assert [record for _, record in writer.kept] == group


def replayed(folder: Path, after: int = 0) -> list[tuple[int, bytes]]:
    """What a journal holds that is opened after all."""
    journal = Journal(folder, max_bytes=64 * MIB, files=FailingFiles())
    try:
        return list(journal.replay(after))
    finally:
        journal.stop()
