"""Reports of drift that was found elsewhere. One JSON object, or an array of them. All of a body is taken, or none."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from exporter.config import Limits
from exporter.formats import TooMany
from exporter.formats.inference import Name, Part, refused
from exporter.formats.native import BROKEN

WORDS = ("data, concept", "low, medium, high, critical")


class Report(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """What somebody found. confidence: 0 to 1; drift_score: of their method, in its unit."""

    model_id: Name
    drift_type: Literal["data", "concept"]
    severity: Literal["low", "medium", "high", "critical"]
    confidence: Part
    tags: dict[str, str | float | bool | None] | None = None
    feature: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    drift_score: Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)] | None = None


_one = msgspec.json.Decoder(Report)
_array = msgspec.json.Decoder(list[Report])


def decode(body: bytes, limits: Limits) -> Sequence[Report]:
    """The reports of a body. Raises Unreadable when it is no JSON, TooMany, and Refused when any of it is wrong."""
    try:
        reports = _array.decode(body) if body.lstrip()[:1] == b"[" else [_one.decode(body)]
    except BROKEN as error:
        words = WORDS[0] if "drift_type" in str(error) else WORDS[1]
        raise refused(body, error, (words,)) from None
    if len(reports) > limits.body_queries:
        raise TooMany(len(reports), limits.body_queries)
    return reports
