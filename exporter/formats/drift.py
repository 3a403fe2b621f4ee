"""Reports of drift that was found elsewhere. One JSON object, or an array of them. All of a body is taken, or none."""

from typing import Annotated, Literal

import msgspec

from exporter.formats.inference import Name, Part, Tags
from exporter.formats.whole import Whole

WORDS = ("data, concept", "low, medium, high, critical")


class Report(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """What somebody found. confidence: 0 to 1; drift_score: of their method; id: the same is one report."""

    model_id: Name
    drift_type: Literal["data", "concept"]
    severity: Literal["low", "medium", "high", "critical"]
    confidence: Part
    tags: Tags | None = None
    feature: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    drift_score: Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)] | None = None
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None

    def __post_init__(self) -> None:
        if self.tags:  # reports are kept in the snapshot, whose whole numbers have 64 bits
            self.tags = {name: _within_64_bits(value) for name, value in self.tags.items()}


def _within_64_bits(value: str | float | bool | None) -> str | float | bool | None:
    if type(value) is not int or -(2**63) <= value < 2**64:
        return value
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number of its tags is out of range") from None


def _words(problem: str) -> tuple[str]:
    return (WORDS[0] if "drift_type" in problem else WORDS[1],)


#: the reports of a body
decode = Whole(Report, _words).decode
