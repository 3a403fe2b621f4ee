"""Names: of records, so that a retry is recognised, and of this process, so that its gauges are told from others'."""

import itertools
import os
import platform
import secrets


class Identity:
    """Gives ids: 16 random hex digits a process, and a number.

    One `next` of a C iterator each: no lock, and no two threads get the same.
    """

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        return f"{self._prefix}-{next(self._numbers):x}"


def process_name() -> str:
    """The host and the number of the process: workers on one host measure each their own."""
    return f"{platform.node() or 'unknown'}/{os.getpid()}"
