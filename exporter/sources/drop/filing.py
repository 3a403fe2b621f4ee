"""Where a file of the drop directory goes once it is judged, and the reports on what was refused of it.

Names inside the folder are only ever used relative to its open descriptor, and links are not followed: whoever may
write to the folder cannot make this program write or move anything outside of it.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

import msgspec

from exporter.sources.drop.arrivals import Arrival, kind_of
from exporter.sources.drop.positions import Identity
from exporter.sources.drop.reading import Failure

DONE, FAILED = "done", "failed"
Where = Literal["done", "failed", "delete"]
#: records that are listed in a report at most
REPORTED = 10_000
#: bytes of a file name at most
NAME_BYTES = 255


def printable(name: str) -> str:
    """A file name for people and JSON: bytes that are no UTF-8 as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def tag_of(identity: Identity) -> str:
    """Eight letters and digits that tell files of one name apart; the same for the same file."""
    return hashlib.blake2b(repr(tuple(identity)).encode(), digest_size=4).hexdigest()


@contextmanager
def open_folder(path: str | os.PathLike[str]) -> Iterator[int]:
    """A descriptor of the drop directory. The path itself may be a link: the operator chose it. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _subfolder(folder: int, name: str) -> Iterator[int]:
    with suppress(FileExistsError):
        os.mkdir(name, 0o770, dir_fd=folder)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def report(folder: int, name: str, tag: str, failures: Sequence[Failure]) -> None:
    """Add records to failed/NAME.TAG.ndjson. Raises OSError.

    A record is known by the file and its offset: what the report holds from the first offset on is replaced, so that
    reading a part of the file again repeats nothing.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with _subfolder(folder, FAILED) as failed:
        descriptor = os.open(_fitting(name, f".{tag}.ndjson"), flags, 0o640, dir_fd=failed)
        with open(descriptor, "r+b") as file:
            _rewind(file, failures[0].offset)
            file.writelines(_entry(name, failure) for failure in failures)


class _Place(msgspec.Struct):
    offset: int


def _rewind(file: io.BufferedRandom, offset: int) -> None:
    """Cut off the entries at or behind the offset, and a torn last one."""
    kept = file.seek(0)
    for line in file:
        try:
            if not line.endswith(b"\n") or msgspec.json.decode(line, type=_Place).offset >= offset:
                break
        except msgspec.MsgspecError:
            break
        kept += len(line)
    file.seek(kept)
    file.truncate()


def _entry(name: str, failure: Failure) -> bytes:
    entry = {
        "file": printable(name),
        "line": failure.line,
        "offset": failure.offset,
        "code": failure.code,
        "reason": failure.reason,
        "raw": failure.raw.decode("utf-8", "backslashreplace").rstrip("\r\n"),
    }
    return msgspec.json.encode(entry) + b"\n"


def put_away(folder: int, arrival: Arrival, where: Where) -> Literal["away", "changed", "gone"]:
    """Move a file (and the one beside it, first) into a subfolder, or delete it. Raises OSError.

    Returns "changed" when somebody has written to the file since, and "gone" when there is another file of that name
    or none; nothing is touched then.
    """
    name, identity, beside = arrival
    found = _identity(folder, name)
    if found is None or found[:2] != identity[:2]:
        return "gone"
    if found != identity:
        return "changed"
    with _subfolder(folder, FAILED if where == "failed" else DONE) as target:
        if beside is not None and (its := _identity(folder, beside)) is not None:
            _move(folder, beside, its, target, where == "delete")
        if not _move(folder, name, identity, target, where == "delete"):
            return "gone"
        os.fsync(target)
        os.fsync(folder)  # its position is forgotten now: a power cut must not bring the file back
        return "away"


def _move(folder: int, name: str, identity: Identity, target: int, delete: bool) -> bool:
    """Move a file, or delete it by way of the subfolder: one swapped in at the last moment is put back, not lost."""
    new = next(candidate for candidate in _candidates(name, tag_of(identity)) if _identity(target, candidate) is None)
    os.rename(name, new, src_dir_fd=folder, dst_dir_fd=target)
    if _identity(target, new) != identity:
        os.rename(new, name, src_dir_fd=target, dst_dir_fd=folder)
        return False
    if delete:
        os.unlink(new, dir_fd=target)
    return True


def _candidates(name: str, tag: str) -> Iterator[str]:
    """The name itself, and names that tell it from an earlier file of the same name but keep its ending."""
    kind = kind_of(name)
    ending = name[len(kind.stem) :] if kind else ""
    stem = name.removesuffix(ending)
    yield name
    number = 1
    while True:
        yield _fitting(stem, f".{tag}{f'-{number}' if number > 1 else ''}{ending}")
        number += 1


def _fitting(stem: str, ending: str) -> str:
    """Stem and ending, with the stem cut where both together are too long for a file name."""
    room = NAME_BYTES - len(os.fsencode(ending))
    return os.fsdecode(os.fsencode(stem)[:room]) + ending


def _identity(folder: int, name: str) -> Identity | None:
    try:
        return Identity.of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None
