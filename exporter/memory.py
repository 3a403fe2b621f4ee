"""Memory: what the garbage collector looks at, how the C library keeps it, and what goes back to the system."""

import ctypes
import gc
from typing import Any

#: allocations between two looks of the collector: queries come and go by the thousand and hold no cycles
GC_THRESHOLD = 50_000
#: the parameter of glibc's mallopt for the most arenas that threads take memory from
M_ARENA_MAX = -8


def share() -> None:
    """To be called before there are threads: they all take memory from one place, and what one frees another uses.

    Queries are read on one thread and dropped on another. With a place for each thread, as glibc has it, memory that is
    free stays between pieces in use, and the process grows for minutes.
    """
    _glibc("mallopt", M_ARENA_MAX, 1)


def settle() -> None:
    """To be called once all is loaded: what is there now stays, so the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    give_back()


def give_back() -> None:
    """Give the system what is free between pieces in use: without this, much that comes and goes looks like a leak."""
    _glibc("malloc_trim", 0)


def _glibc(name: str, *values: int) -> Any:
    """Call a function that only glibc has; nothing elsewhere."""
    call = getattr(ctypes.CDLL(None), name, None)
    return None if call is None else call(*values)
