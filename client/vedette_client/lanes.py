"""Where each kind of record goes: one lane a kind, so that one that has to wait does not hold up the others."""

from typing import Literal, NamedTuple

Shape = Literal["lines", "array", "single"]


class Lane(NamedTuple):
    """An endpoint, and how many records a request to it holds: one a line, an array, or a single one."""

    path: str
    shape: Shape


#: in the order of sending: a model before what is said of it, a query before the sample that is joined to it
LANES: dict[str, Lane] = {
    "model": Lane("/api/v1/models", "single"),
    "query": Lane("/api/v1/queries", "lines"),
    "inference": Lane("/api/v1/metrics/inference", "array"),
    "drift": Lane("/api/v1/metrics/drift", "array"),
    "custom": Lane("/api/v1/metrics/custom", "array"),
    "feedback": Lane("/api/v1/feedback", "array"),
}


def body(lane: Lane, lines: list[bytes]) -> bytes:
    """The body of a request. A lone record of an array goes as an object, which any server takes."""
    if lane.shape == "array" and len(lines) > 1:
        return b"[" + b",".join(lines) + b"]"
    return b"\n".join(lines)
