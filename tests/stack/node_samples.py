"""Two weeks of node metrics of six machines, written down beforehand, with four things in the last night that are odd.

machine  what is odd, all times on the last day, UTC
leak     memory is lost from 01:00 on, slowly, until a tenth is left
night    60 % CPU from 03:00 to 04:00: the machines have 80 % in the afternoon and 20 % at night
spike    ten times the network traffic for six minutes at 02:00
flat     its thermometer shows the same value from 01:30 on
calm, quiet   nothing
"""

import time
from collections.abc import Iterator

import numpy as np

DAY, MINUTE, HOUR = 86_400, 60, 3_600
DAYS = 14
#: the last day begins at the next midnight: its points are ahead of the clock by which rules are evaluated
LAST_DAY = (int(time.time()) // DAY + 1) * DAY
START = LAST_DAY - (DAYS - 1) * DAY
END = LAST_DAY + 6 * HOUR
MACHINES = ("calm", "flat", "leak", "night", "quiet", "spike")
MEMORY = 16e9


def times() -> np.ndarray:
    return np.arange(START, END + 1, MINUTE)


def since(hour: float, at: np.ndarray) -> np.ndarray:
    """Hours since this hour of the last day; below 0 before."""
    return (at - LAST_DAY) / HOUR - hour


def course(noise: np.ndarray, memory: float) -> np.ndarray:
    """Noise in which each value depends on the one before, as it does where a scrape sees an average."""
    out = np.empty(len(noise))
    last = 0.0
    for i, value in enumerate(noise.tolist()):
        last = memory * last + value
        out[i] = last
    return out


def series() -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, labels, values at `times()`."""
    at = times()
    day = (1 - np.cos(2 * np.pi * (at % DAY) / DAY - np.pi / 6)) / 2
    for number, machine in enumerate(MACHINES):
        random = np.random.default_rng(number)
        instance = f'instance="{machine}:9100",job="node"'

        load = 0.2 + 0.6 * day + course(random.normal(0, 0.01, len(at)), 0.7)
        hours = since(3, at)
        if machine == "night":
            load[(hours >= 0) & (hours < 1)] = 0.6
        busy = np.cumsum(np.clip(load, 0.01, 0.99) * MINUTE)
        yield "node_cpu_seconds_total", f'{instance},cpu="0",mode="user"', busy
        yield "node_cpu_seconds_total", f'{instance},cpu="0",mode="idle"', at - START + MINUTE - busy

        used = 0.4 + 0.1 * day + course(random.normal(0, 0.002, len(at)), 0.9)
        if machine == "leak":
            used = np.clip(used + 0.12 * np.clip(since(1, at), 0, None), 0, 0.9)
        yield "node_memory_MemAvailable_bytes", instance, np.round(MEMORY * (1 - used))
        yield "node_memory_MemTotal_bytes", instance, np.full(len(at), MEMORY)

        traffic = 2e5 + 8e5 * day + course(random.normal(0, 3e4, len(at)), 0.5)
        hours = since(2, at)
        if machine == "spike":
            traffic[(hours >= 0) & (hours < 0.1)] *= 10
        received = np.cumsum(np.clip(traffic, 1e4, None) * MINUTE)
        yield "node_network_receive_bytes_total", f'{instance},device="eth0"', np.round(received)

        warmth = 45 + 8 * day + course(random.normal(0, 0.4, len(at)), 0.6)
        if machine == "flat":
            frozen = since(1.5, at) >= 0
            warmth[frozen] = warmth[frozen][0]
        yield "node_hwmon_temp_celsius", f'{instance},chip="0"', np.round(warmth, 2)


def openmetrics() -> Iterator[str]:
    """All of it, as `promtool tsdb create-blocks-from openmetrics` reads it."""
    at = times().tolist()
    named: dict[str, list[tuple[str, np.ndarray]]] = {}
    for name, labels, values in series():
        named.setdefault(name, []).append((labels, values))
    for name, known in named.items():
        is_counter = name.endswith("_total")
        yield f"# TYPE {name.removesuffix('_total')} {'counter' if is_counter else 'gauge'}\n"
        for labels, values in known:
            prefix = f"{name}{{{labels}}} "
            yield from (f"{prefix}{value:.10g} {moment}\n" for moment, value in zip(at, values.tolist(), strict=True))
    yield "# EOF\n"
