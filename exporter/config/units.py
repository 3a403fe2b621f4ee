"""Durations and sizes as they are written in a configuration: `1h30m`, `8MiB`. A plain number is in the base unit."""

import re
from typing import Annotated, Any

import msgspec

from exporter.config.records import Form

#: largest first: the order in which the parts of a duration stand
SECONDS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION = re.compile("".join(rf"(?:(\d{{1,9}}){unit})?" for unit in SECONDS), re.ASCII)

BYTES = {"B": 1}
BYTES |= {f"{prefix}B": 1000**power for power, prefix in enumerate(("k", "M", "G", "T"), 1)}
BYTES |= {f"{prefix}iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T"), 1)}
SIZE = re.compile(rf"(\d{{1,9}})({'|'.join(BYTES)})", re.ASCII)


def duration(value: Any) -> Any:
    """Seconds, from a text such as `1h30m` as Prometheus writes it. Other values are returned as they are.

    Raises ValueError for a text that is no duration.
    """
    if not isinstance(value, str):
        return value
    match = DURATION.fullmatch(value)
    if not value or not match:
        raise ValueError(value)
    return sum(int(count) * unit for count, unit in zip(match.groups(), SECONDS.values(), strict=True) if count)


def size(value: Any) -> Any:
    """Bytes, from a text such as `8MiB` (1024²) or `8MB` (1000²). Other values are returned as they are.

    Raises ValueError for a text that is no size.
    """
    if not isinstance(value, str):
        return value
    match = SIZE.fullmatch(value)
    if not match:
        raise ValueError(value)
    return int(match[1]) * BYTES[match[2]]


#: float seconds, above 0
Seconds = Annotated[float, msgspec.Meta(gt=0), Form("a duration such as 30s, 5m or 1h30m", duration)]
#: whole bytes, at least 1
Bytes = Annotated[int, msgspec.Meta(ge=1), Form("a size such as 512KiB, 8MiB or 1GB", size)]
