"""What a detector says about one query."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class DetectionResult:
    """The verdict of one detector on one query.

    is_suspicious: the score reached the threshold.
    confidence: how sure the detector is that the query is suspicious; its scale is the detector's own.
    reason: one sentence for people.
    metadata: always has `detector`, `score` and `threshold`.
    """

    is_suspicious: bool
    confidence: float
    reason: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def dict(self) -> dict[str, Any]:
        """The result as plain data, ready for JSON."""
        return asdict(self)
