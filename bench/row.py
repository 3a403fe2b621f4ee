"""A row of the table of measurements."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured, next to the machine's own limit (or a rival) in the same run, and what it must reach.

    measured: None where the data for it is not there.
    target: the most that `measured` may be, in its unit; least: the least that it may be.
    target_ratio: the most that measured ÷ limit may be.
    ratio: the median of the ratios of single rounds, where these were measured in turns.
    """

    name: str
    measured: float | None
    unit: str
    limit: float | None = None
    limit_of: str = ""
    target: float | None = None
    target_ratio: float | None = None
    ratio: float | None = None
    least: float | None = None

    def reached(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.measured is None:
            return None
        if self.least is not None:
            return self.measured >= self.least
        if self.target is not None:
            return self.measured <= self.target
        if self.target_ratio is not None and self.ratio is not None:
            return self.ratio <= self.target_ratio
        return None

    def cells(self) -> tuple[str, ...]:
        """Name, measured, limit, target and verdict as texts."""
        limit = "" if self.limit is None else f"{self.limit:.4g} ({self.limit_of})"
        if self.ratio is not None:
            limit += f", ratio {self.ratio:.2f}"
        target = "" if self.target is None else f"≤ {self.target:.4g}"
        if self.target_ratio is not None:
            target = f"ratio ≤ {self.target_ratio:g}"
        if self.least is not None:
            target = f"≥ {self.least:.4g}"
        measured = "not measured" if self.measured is None else f"{self.measured:.4g} {self.unit}"
        verdict = {True: "reached", False: "missed", None: ""}[self.reached()]
        return self.name, measured, limit, target, verdict


def in_turns(
    name: str, unit: str, figures: Sequence[float], limits: Sequence[float], *, limit_of: str, target_ratio: float
) -> Row:
    """The row of what was measured in turns with its limit, both in `unit`: medians, and the median of the ratios."""
    return Row(
        name=name,
        measured=statistics.median(figures),
        unit=unit,
        limit=statistics.median(limits),
        limit_of=limit_of,
        target_ratio=target_ratio,
        ratio=statistics.median(figure / limit for figure, limit in zip(figures, limits, strict=True)),
    )
