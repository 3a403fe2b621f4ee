"""Samples of custom metrics: one JSON object, or an array of them. All of a body is taken, or none."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from exporter.config import CUSTOM_LABEL, CUSTOM_NAME, RESERVED_ENDINGS, RESERVED_LABELS, Limits
from exporter.formats import Refused
from exporter.formats.whole import Whole, is_array
from exporter.labels import label_value

KINDS = ("gauge", "counter", "histogram")
#: labels that one metric may have
LABELS = 8


class CustomSample(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """A gauge's value, what a counter grows by, or one value of a histogram. id: the same counts once."""

    name: Annotated[str, msgspec.Meta(pattern=CUSTOM_NAME.pattern)]
    kind: Literal["gauge", "counter", "histogram"]
    value: Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
    labels: dict[str, Annotated[str, msgspec.Meta(max_length=1024)]] = {}
    instance: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None

    @property
    def model_id(self) -> str:
        """The model that it is about, where it has such a label: keys may be for some models only."""
        return self.labels.get("model", "")


_whole = Whole(CustomSample, lambda _: KINDS)


def decode(body: bytes, limits: Limits) -> Sequence[CustomSample]:
    """The samples of a body. Raises Unreadable when it is no JSON, TooMany, and Refused when any of it is wrong."""
    samples = _whole.decode(body, limits)
    for index, sample in enumerate(samples):
        if problem := _problem(sample):
            raise Refused("wrong_type", f"[{index}].{problem}" if is_array(body) else problem)
        sample.labels = {name: label_value(value) for name, value in sorted(sample.labels.items())}
    return samples


def _problem(sample: CustomSample) -> str | None:
    if sample.name.endswith(RESERVED_ENDINGS):
        return f"name: {sample.name} ends as the series of a counter or histogram do: {', '.join(RESERVED_ENDINGS)}"
    if sample.kind == "counter" and sample.value < 0:
        return "value: a counter grows by 0 or more"
    if len(sample.labels) > LABELS:
        return f"labels: {len(sample.labels)}, more than the {LABELS} allowed"
    for name in sample.labels:
        if name in RESERVED_LABELS or not re.fullmatch(CUSTOM_LABEL, name):
            return f"labels.{label_value(name)}: no name that a label may have here"
    return None
