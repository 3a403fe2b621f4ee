"""How the memory of the process is kept."""

import gc
import subprocess
import sys

import pytest

from exporter import memory

#: a thread that takes memory, beside the one that has begun; then glibc says how many places it takes it from
THREADS = """
import ctypes, sys, threading
from exporter.memory import share
if sys.argv[1] == "shared":
    share()
begun, done = threading.Event(), threading.Event()
def take():
    ctypes.CDLL(None).malloc(1000)
    begun.set()
    done.wait()
threading.Thread(target=take).start()
begun.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
done.set()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
@pytest.mark.parametrize(("how", "places"), [("shared", 1), ("not", 2)])
def test_threads_share_one_place_to_take_memory_from(how: str, places: int) -> None:
    told = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True).stdout
    assert told.count("<heap nr=") == places


def test_what_there_is_when_all_has_settled_is_not_looked_at_again() -> None:
    threshold, cycle = gc.get_threshold(), []
    cycle.append(cycle)
    try:
        memory.settle()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] == memory.GC_THRESHOLD
        assert not any(one is cycle for one in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)


def test_where_there_is_no_glibc_nothing_is_called() -> None:
    assert memory._glibc("no_such_function", 1) is None
    assert memory._glibc("malloc_trim", 0) in (0, 1)
