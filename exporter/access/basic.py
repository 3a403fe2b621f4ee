"""Users with passwords: bcrypt, away from the event loop, and what was right remembered.

bcrypt is slow on purpose. So that a scraper is not slow too, a password that was right is remembered, as a hash under
a key that only this process has, until the users change.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping

import bcrypt

#: passwords that are remembered; the oldest goes first
MAX_REMEMBERED = 1000
#: checks at once: each takes a core, and the rest of the service needs one too
MAX_CHECKS = 2
#: bcrypt takes no more of a password into account
PASSWORD_BYTES = 72


class BasicUsers:
    """The users of a file. `hashes` gives those that hold now, the same object as long as nothing has changed."""

    def __init__(self, hashes: Callable[[], Mapping[str, str]]) -> None:
        self._hashes = hashes
        self._known: Mapping[str, str] = {}
        self._key = os.urandom(32)
        self._right: dict[bytes, None] = {}
        self._turn = asyncio.Semaphore(MAX_CHECKS)

    @property
    def exist(self) -> bool:
        """Whether there are any; without users nobody is asked for a password."""
        return bool(self._hashes())

    async def check(self, user: str, password: str) -> bool:
        """Whether there is such a user with this password. An unknown user costs as much time as a wrong password."""
        hashes = self._hashes()
        if hashes is not self._known:
            self._known = hashes
            self._right.clear()
        stored = hashes.get(user) or _nobody(hashes)
        secret = password.encode("utf-8", "surrogatepass")[:PASSWORD_BYTES]
        mark = self._mark(user, stored, secret)
        if mark in self._right:
            return True
        async with self._turn:
            if mark in self._right:  # the same was asked and answered meanwhile
                return True
            matches = await asyncio.to_thread(bcrypt.checkpw, secret, stored.encode())
        is_right = matches and user in hashes
        if is_right and hashes is self._known:
            self._remember(mark)
        return is_right

    def _mark(self, user: str, stored: str, secret: bytes) -> bytes:
        """What is remembered; it tells nobody the password."""
        name = user.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(
            b"%d:%b%b%b" % (len(name), name, stored.encode(), secret), key=self._key, digest_size=32
        ).digest()

    def _remember(self, mark: bytes) -> None:
        self._right[mark] = None
        if len(self._right) > MAX_REMEMBERED:
            del self._right[next(iter(self._right))]


def _nobody(hashes: Mapping[str, str]) -> str:
    """A hash that no password has, which takes as long to check as the slowest one of a user."""
    cost = max((int(stored[4:6]) for stored in hashes.values()), default=4)
    return f"$2b${cost:02d}$" + "." * 53
