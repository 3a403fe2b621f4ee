"""What a detector says about one query."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import repeat
from typing import Any

#: the reason and the metadata of a query, from its position in its batch
Wording = Callable[[int], tuple[str, dict[str, Any]]]


class _Unsaid:
    """Holds what the reason and the metadata are made from until somebody looks at them: most are never read."""

    __slots__ = ("_index", "_wording")
    _wording: Wording
    _index: int

    def __getattr__(self, name: str) -> Any:
        """Called where a slot is empty: makes what belongs there."""
        if name not in ("reason", "metadata"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        reason, metadata = self._wording(self._index)
        setattr(self, name, reason if name == "reason" else metadata)
        return getattr(self, name)


@dataclass(slots=True)
class DetectionResult(_Unsaid):
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are whole: what words are made from stays here."""
        return type(self), (self.is_suspicious, self.confidence, self.reason, self.metadata)


def unsaid(suspicious: Sequence[bool], confidences: Sequence[float], wording: Wording) -> list[DetectionResult]:
    """The results of a batch, whose reasons and metadata are made when they are first looked at."""
    # the constructor would cost more than all the rest of judging a query
    results = list(map(object.__new__, repeat(DetectionResult, len(suspicious))))
    for index, result, flag, confidence in zip(range(len(results)), results, suspicious, confidences, strict=True):
        result.is_suspicious, result.confidence = flag, confidence
        result._wording, result._index = wording, index  # type: ignore[misc]  # mypy overlooks the slots of the base
    return results
