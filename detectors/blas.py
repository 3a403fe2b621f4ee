"""Matrix products on one thread: several threads cost these shapes three to fifteen times their time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> list[Any]:
    # looked up once: numpy's library is loaded by now, and a look-up takes milliseconds
    return ThreadpoolController().select(user_api="blas").lib_controllers


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the number of BLAS threads at one, and put back what was set before where it was another.

    A few µs. The number is one for the whole process: products that other threads start meanwhile run on one
    thread too, and two overlapping uses may end with the earlier one's number, which is what was set before both.
    """
    changed = []
    for library in _libraries():
        threads = library.get_num_threads()
        if threads != 1:
            library.set_num_threads(1)
            changed.append((library, threads))
    try:
        yield
    finally:
        for library, threads in changed:
            library.set_num_threads(threads)
