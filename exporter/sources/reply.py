"""Answers to requests, before they are HTTP."""

from typing import Any

import msgspec
import numpy as np

from exporter.pipeline import Pipeline


class Reply(msgspec.Struct, gc=False):
    """Status, body, and after how many seconds to come again where that helps."""

    status: int
    body: bytes
    retry_after: int | None = None
    content_type: bytes = b"application/json"


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} cannot be written as JSON")


to_json = msgspec.json.Encoder(enc_hook=_plain).encode


def refusal(status: int, detail: str, retry_after: int | None = None) -> Reply:
    """An answer that took nothing, with the reason."""
    return Reply(status, to_json({"detail": detail}), retry_after)


def queue_full(pipeline: Pipeline) -> Reply:
    """The answer when the queue has no room: nothing was taken, come again later."""
    return refusal(429, "the queue is full; nothing was taken", pipeline.seconds_until_room())


def not_stored() -> Reply:
    """The answer when the disk or the journal has no room: nothing was taken."""
    return refusal(507, "the journal cannot be written; nothing was taken", 10)
