"""A query: one request to a model, with the answer that the model gave."""

import time
from typing import Any

import msgspec
import numpy as np


class Query(msgspec.Struct, gc=False, eq=False):
    """One request to a model with its answer. Not SQL, not PromQL.

    input_data: what was asked: a text, a list of texts, a list of numbers, a mapping {feature: value}, an image
        (PIL image, numpy array, torch tensor) or {"embedding": [numbers]}.
    model_output: what was answered: class probabilities (a list or array), or a mapping with one of the keys
        probabilities, logits, logprobs, label, text. None when it is not known.
    timestamp: seconds since 1970 (a datetime is taken as well); windows that are bounded in time run on it.
    hash, embedding: filled by the detectors that compute them.
    """

    input_data: Any
    model_output: Any = None
    metadata: dict[str, Any] = {}
    timestamp: float = msgspec.field(default_factory=time.time)
    id: str | None = None
    model: str | None = None
    client: str | None = None
    label: Any = None
    modality: str | None = None
    version: str | None = None
    latency_seconds: float | None = None
    error: str | None = None
    tokens: dict[str, int] | None = None
    cost_dollars: float | None = None
    hash: str | None = None
    embedding: np.ndarray | None = None
