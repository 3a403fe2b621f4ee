"""The secret of a state folder: what nobody outside can guess, and a restart does not change."""

import os
import secrets
from pathlib import Path

SIZE = 32


def kept_secret(folder: Path) -> int:
    """The number in the folder's file `secret`, made at the first start. Raises OSError, or ValueError if damaged.

    An attacker who knew it could tell which queries look alike to the detectors. Whoever reads the state folder reads
    the queries as well.
    """
    path = folder / "secret"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _made(folder, path)
    if len(content) != SIZE:
        raise ValueError(f"{path}: expected {SIZE} bytes, got {len(content)}; without it the windows begin anew")
    return int.from_bytes(content, "little")


def _made(folder: Path, path: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = secrets.token_bytes(SIZE)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(fresh, path)
    return int.from_bytes(content, "little")
