"""Samples of inferences: what a service measured of a model, without the query. One JSON object, or an array of them.

The wire is that of the servers that people come from: latencies in milliseconds, shares from 0 to 1. All of a body is
taken, or none.
"""

from typing import Annotated, Literal

import msgspec

from exporter.formats.native import Amount, Tokens
from exporter.formats.whole import Whole

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
#: up to eleven days: what is longer is no latency
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
MODEL_TYPES = ("llm", "cv", "tabular")
Tags = dict[str, str | int | float | bool | None]


class Resources(msgspec.Struct, gc=False):
    """Shares of what there is."""

    gpu_memory: Part | None = None
    cpu_usage: Part | None = None
    memory_usage: Part | None = None


class Sample(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """One inference as its service measured it. latency, time_to_first_token: ms; throughput: inferences a second."""

    model_id: Name
    model_type: Literal["llm", "cv", "tabular"]
    request_id: Name
    latency: Milliseconds
    throughput: Amount | None = None
    error_rate: Part | None = None
    resource_usage: Resources | None = None
    tags: Tags | None = None
    error: str | None = None
    tokens: Tokens | None = None
    cost_dollars: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    gpu_seconds: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    time_to_first_token: Milliseconds | None = None
    client: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    instance: Annotated[str, msgspec.Meta(max_length=1024)] | None = None

    @property
    def pushed_by(self) -> str:
        """The instance that measured it: the field, else a tag of that name, else empty."""
        return self.instance or (str(self.tags.get("instance") or "") if self.tags else "")


#: the samples of a body
decode = Whole(Sample, lambda _: MODEL_TYPES).decode
