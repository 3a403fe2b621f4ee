"""Answers before they are HTTP."""

import json

import numpy as np
import pytest

from exporter.config import Config
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.reply import queue_full, refusal, to_json


def test_numbers_and_arrays_of_numpy_are_written_as_plain_json() -> None:
    written = to_json({"a": np.arange(3), "b": np.float32(0.5), "c": np.bool_(True), "d": float("nan")})
    assert json.loads(written) == {"a": [0, 1, 2], "b": 0.5, "c": True, "d": None}


def test_what_is_no_json_is_an_error_that_names_its_type() -> None:
    with pytest.raises(NotImplementedError, match="complex cannot be written as JSON"):
        to_json({"a": 1j})


def test_a_refusal_has_its_reason_and_when_to_come_again() -> None:
    assert (refusal(400, 'a "quoted" word').body, refusal(400, "x").retry_after) == (
        b'{"detail":"a \\"quoted\\" word"}',
        None,
    )
    assert refusal(503, "x", 1).retry_after == 1


def test_a_full_queue_says_when_there_may_be_room() -> None:
    pipeline = Pipeline(Models(Config()), 10, 10)
    reply = queue_full(pipeline)
    assert (reply.status, reply.retry_after) == (429, 1)
    assert json.loads(reply.body) == {"detail": "the queue is full; nothing was taken"}
