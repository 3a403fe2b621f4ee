"""Names that are too long."""

import json
from typing import Any

import pytest

from exporter.formats import Refused, native
from tests.exporter.formats.conftest import LIMITS, one

LONG = "n" * (native.NAME_CHARACTERS + 1)


@pytest.mark.parametrize("field", native.NAMES)
@pytest.mark.parametrize("content", [{"input": "a"}, {"input_data": "a"}])
def test_a_long_name_is_shortened_so_that_nobody_can_have_queries_rejected(field: str, content: dict[str, Any]) -> None:
    found, other = (getattr(one({**content, field: LONG + end}), field) for end in ("a", "b"))
    assert len(found) == native.NAME_CHARACTERS
    assert found.startswith("nnn")
    assert found != other
    assert found == getattr(one({**content, field: found}), field)


def test_long_names_are_shortened_wherever_they_come_from() -> None:
    body = json.dumps({"input": "a", "id": LONG, "client": LONG, "model": LONG}).encode()
    [pushed], _ = native.decode(body, LIMITS)
    [_, in_array], _ = native.decode(b'[{"input":"b"},' + body + b"]", LIMITS)
    from_file = native.from_fields(json.loads(body), LIMITS)
    for query in (pushed, in_array, from_file):
        assert {query.id, query.client, query.model} == {native.short_name(LONG)}
    assert one({"input": "a", "id": 10**300}).id == native.short_name(str(10**300))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b'{"client":"%b","input":5}', "wrong_type"),
        (b'{"client":"%b"}', "missing_field"),
        (b'{"client":"%b","input":', "malformed"),
        (b'{"client":"%b","input_data":5}', "wrong_type"),
        (b'{"input_data":"a","client":"%b","modality":"x"}', "wrong_type"),
        (b'{"client":"%b","input":"a","x":"\\ud800"}', "malformed"),
    ],
)
def test_what_else_is_wrong_with_a_record_of_a_long_name_is_still_found(event: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        native.decode_line(event % LONG.encode(), LIMITS)
    assert refused.value.code == code
