"""The calls to the operating system that storage is made of, and the few steps that are built from them.

They come as an object, so that a test can let any one of them fail.
"""

import contextlib
import errno
import os
from pathlib import Path


class Files:
    """The plain calls. Every one raises OSError. What is created is for the owner alone."""

    def open(self, path: Path, flags: int) -> int:
        """A descriptor, which processes that are started later do not inherit."""
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, content: memoryview) -> int:
        """Bytes written, which may be fewer than were given."""
        return os.write(descriptor, content)

    def write_at(self, descriptor: int, content: memoryview, offset: int) -> int:
        """Bytes written at a place in the file, which may be fewer than were given."""
        return os.pwrite(descriptor, content, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut, and go on writing at the cut."""
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)

    def sync_data(self, descriptor: int) -> None:
        """Wait until the content, and what is needed to read it, is on the disk."""
        os.fdatasync(descriptor)

    def sync(self, descriptor: int) -> None:
        """Wait until the content and all that is known of the file is on the disk; for folders, their list of names."""
        os.fsync(descriptor)

    def rename(self, path: Path, target: Path) -> None:
        """Take the place of the target, which at every moment is the old file or the new one."""
        os.rename(path, target)

    def link(self, path: Path, target: Path) -> None:
        """A second name for the same content."""
        os.link(path, target)

    def unlink(self, path: Path) -> None:
        """Delete it, if it is there."""
        path.unlink(missing_ok=True)


def write_all(files: Files, descriptor: int, content: bytes) -> None:
    """Write all of it, in as many calls as that takes. Raises OSError; part of it may be written then."""
    rest = memoryview(content)
    while rest:
        written = files.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.EIO, "the disk takes no more bytes and does not say why")
        rest = rest[written:]


def close_quietly(descriptor: int) -> None:
    """Close a file of which nothing more is expected."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def make_folder(files: Files, folder: Path) -> None:
    """Make a folder for the owner alone, and what it stands in, so that they are there after a power cut too."""
    if folder.is_dir():
        return
    make_folder(files, folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(files, folder.parent)


def sync_folder(files: Files, folder: Path) -> None:
    """Make new names in a folder outlast a power cut."""
    descriptor = files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        files.sync(descriptor)
    finally:
        close_quietly(descriptor)


def replace(files: Files, path: Path, *content: bytes, sync: bool = True) -> int:
    """Put a file with this content in the place of `path`, whether there is one or not; open for writing on.

    A crash in between leaves the old file, or none, and a temporary file that the next call overwrites. When it raises
    OSError, the new file may already be in place.
    """
    temporary = path.with_name("new.tmp")
    descriptor = files.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        for piece in content:
            write_all(files, descriptor, piece)
        if sync:
            files.sync(descriptor)
        files.rename(temporary, path)
        if sync:
            sync_folder(files, path.parent)
    except BaseException:
        close_quietly(descriptor)
        raise
    return descriptor
