"""How the tests of formats read one event."""

import json
from typing import Any

import pytest

from detectors import Query
from exporter.config import Limits
from exporter.delivery import Rejection
from exporter.formats import Refused, native

LIMITS = Limits()


def one(event: Any, limits: Limits = LIMITS) -> Query:
    """The query of one event."""
    [query], rejections = native.decode(json.dumps(event).encode(), limits)
    assert rejections == []
    return query


def rejected(event: Any, limits: Limits = LIMITS) -> Rejection:
    """The rejection of one event, which is the same in a push and in a /detect."""
    queries, [rejection] = native.decode(json.dumps([event]).encode(), limits)
    assert queries == []
    with pytest.raises(Refused) as refused:
        native.decode_line(json.dumps(event).encode(), limits)
    assert (refused.value.code, refused.value.reason) == (rejection.code, rejection.reason)
    return rejection
