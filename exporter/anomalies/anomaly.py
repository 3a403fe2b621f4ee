"""What was found: one record for each incident of a series, and what people said of it."""

from typing import Any, Literal

import msgspec


class Anomaly(msgspec.Struct, kw_only=True):
    """An incident. time: its first point above the line; the values are those of its worst point, at `worst_at`.

    live: False for what was found only afterwards, while points were caught up with: nobody was alerted.
    confirmed: what people said of it; None before they did. dismissed: they said no while it lasted, and its points are
    odd still: they open no other one.
    """

    id: str
    time: float
    ended_at: float | None = None
    worst_at: float
    metric: str
    series: str = ""
    labels: dict[str, str] = {}
    value: float
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    score: float
    severity: str
    algorithm: str = ""
    explanation: dict[str, Any] = {}
    baseline_version: str = ""
    context: str = ""
    source: Literal["found", "reported"] = "found"
    live: bool = True
    dismissed: bool = False
    confirmed: bool | None = None
    confirmed_by: str | None = None
    confirmed_at: float | None = None
