"""What samples hold: what a query says of its inference, apart from its content, and gauges of one instance."""

from collections.abc import Mapping
from typing import Any

#: what the exporter shows as gauges
GAUGES = ("resource_usage", "error_rate", "throughput")

#: fields that both have, by their name in a sample
_SHARED = {
    "model_id": "model",
    "request_id": "id",
    "latency_seconds": "latency_seconds",
    "client": "client",
    "error": "error",
    "tokens": "tokens",
    "cost_dollars": "cost_dollars",
}
_MODEL_TYPES = {"image": "cv", "cv": "cv", "tabular": "tabular"}


def sample_of(query: dict[str, Any]) -> dict[str, Any] | None:
    """The sample of an inference that a query makes; None where it tells no model or no latency.

    Takes out of the query what only a sample has.
    """
    model_type = query.pop("model_type", None)
    first = query.pop("time_to_first_token_seconds", None)
    if query.get("model") is None or query.get("latency_seconds") is None:
        return None
    sample = {name: query.get(field) for name, field in _SHARED.items()}
    sample["model_type"] = model_type or _MODEL_TYPES.get(str(query.get("modality")), "llm")
    sample["time_to_first_token_seconds"] = first
    return sample


def has_gauges(kind: str, fields: Mapping[str, Any]) -> bool:
    """Whether a record holds values that stand beside those of other instances, and does not say itself whose."""
    if kind == "custom":
        return fields.get("kind") == "gauge"
    tags = fields.get("tags")
    is_named = isinstance(tags, Mapping) and bool(tags.get("instance"))  # the exporter reads it there, too
    return kind == "inference" and not is_named and any(fields.get(name) is not None for name in GAUGES)
