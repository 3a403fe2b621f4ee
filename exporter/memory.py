"""Memory: what the garbage collector looks at, and what goes back to the system."""

import ctypes
import gc
import sys

#: allocations between two looks of the collector: queries come and go by the thousand and hold no cycles
GC_THRESHOLD = 50_000


def settle() -> None:
    """To be called once all is loaded: what is there now stays, so the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    give_back()


def give_back() -> None:
    """Give the system what is free between pieces in use: without this, much that comes and goes looks like a leak."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
