"""Names for records, so that a retry is recognised: 16 random hex digits a process, and a number."""

import itertools
import secrets


class Identity:
    """Gives ids. One `next` of a C iterator each: no lock, and no two threads get the same."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        return f"{self._prefix}-{next(self._numbers):x}"
