"""How busy the machine is, where psutil (processor, memory) and nvidia-ml-py (GPU memory) are installed."""

import contextlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

#: names and ratios between 0 and 1
Usage = dict[str, float]


def sampler() -> Callable[[], Usage]:
    """A function that gives the share in use of what can be measured here; an empty mapping where nothing can."""
    readers = [reader for made in (_machine, _gpu) if (reader := _made(made))]

    def sample() -> Usage:
        usage: Usage = {}
        for read in readers:
            with contextlib.suppress(Exception):  # a driver that goes away takes its own numbers along, and no more
                usage.update(read())
        return usage

    return sample


def _made(make: Callable[[], Callable[[], Usage]]) -> Callable[[], Usage] | None:
    try:
        return make()
    except Exception:  # not installed, or no such device
        return None


def _machine() -> Callable[[], Usage]:
    psutil = import_module("psutil")
    psutil.cpu_percent(None)  # the first call only begins the interval

    def read() -> Usage:
        return {"cpu_usage": _ratio(psutil.cpu_percent(None)), "memory_usage": _ratio(psutil.virtual_memory().percent)}

    return read


def _gpu() -> Callable[[], Usage]:
    nvml = import_module("pynvml")
    nvml.nvmlInit()
    devices = [nvml.nvmlDeviceGetHandleByIndex(place) for place in range(nvml.nvmlDeviceGetCount())]
    if not devices:
        raise LookupError("no GPU")
    return lambda: {"gpu_memory": max(_used(nvml.nvmlDeviceGetMemoryInfo(device)) for device in devices)}


def _used(memory: Any) -> float:
    return float(memory.used / memory.total)


def _ratio(percent: float) -> float:
    return min(max(percent / 100, 0.0), 1.0)
