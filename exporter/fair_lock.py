"""A lock that whoever waits for it gets next."""

from threading import Lock


class FairLock:
    """Of two that want it again and again, neither takes it twice while the other waits.

    A plain lock goes to whoever asks first when it is free: a thread that gives it back and takes it again at once
    leaves nothing to one that sleeps until it is woken. Here who waits holds the turn, and who comes later waits for
    that.
    """

    def __init__(self) -> None:
        self._turn, self._lock = Lock(), Lock()

    def __enter__(self) -> None:
        with self._turn:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
