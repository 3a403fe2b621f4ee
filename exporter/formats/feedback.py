"""True labels that come later than the queries that they belong to. One JSON object, or an array of them.

All of a body is taken, or none.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from exporter.config import Limits
from exporter.formats.inference import Name
from exporter.formats.whole import Whole


class Truth(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """The true label of the query of this id. told: what became of it, once that is known."""

    id: Name
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | int | float | bool
    model: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    told: Literal["", "joined", "unknown"] = ""

    @property
    def model_id(self) -> str:
        """The model that it is about: keys may be for some models only."""
        return self.model or ""


_whole = Whole(Truth, lambda _: ("a text", "a number", "true", "false"))


def decode(body: bytes, limits: Limits) -> Sequence[Truth]:
    """The labels of a body. Raises Unreadable when it is no JSON, TooMany, and Refused when any of it is wrong."""
    truths = _whole.decode(body, limits)
    for truth in truths:
        truth.told = ""  # that is ours to say
    return truths
