"""True labels that come later than the queries that they belong to. One JSON object, or an array of them.

All of a body is taken, or none.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from exporter.config import Limits
from exporter.formats import TooMany
from exporter.formats.inference import Name, refused
from exporter.formats.native import BROKEN


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


_one = msgspec.json.Decoder(Truth)
_array = msgspec.json.Decoder(list[Truth])


def decode(body: bytes, limits: Limits) -> Sequence[Truth]:
    """The labels of a body. Raises Unreadable when it is no JSON, TooMany, and Refused when any of it is wrong."""
    try:
        truths = _array.decode(body) if body.lstrip()[:1] == b"[" else [_one.decode(body)]
    except BROKEN as error:
        raise refused(body, error, ("a text", "a number", "true", "false")) from None
    if len(truths) > limits.body_queries:
        raise TooMany(len(truths), limits.body_queries)
    for truth in truths:
        truth.told = ""  # that is ours to say
    return truths
