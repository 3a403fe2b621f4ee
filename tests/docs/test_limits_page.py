"""docs/limits.md: every row of it is tried on a running service."""

import gzip
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter.access.limits import SENDERS
from exporter.api import anomalies, models, references
from exporter.body import MEMBERS
from exporter.clients.memory import MOST_CLIENTS
from exporter.config import Config, Limits
from exporter.formats.native import MOST_ATTRIBUTES, NAME_CHARACTERS
from exporter.http.protocol import HEADER_BYTES, RESERVED
from exporter.models import CANDIDATES
from exporter.sources.detect import KEPT_ANSWERS
from tests.exporter.conftest import Exporter, config, serve

__all__ = ["config", "serve"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "limits.md").read_text()


class Row(NamedTuple):
    limit: str
    default: str
    key: str
    answer: str
    counted: str


ROWS = [Row(*map(str.strip, line.strip("|").split("|"))) for line in PAGE.splitlines() if line.count("|") == 6]
ROWS = [row for row in ROWS if row.limit not in ("limit", "---")]
QUERY = b'{"input":"a","output":[0.5,0.5]}'


class Tried(NamedTuple):
    """Which limits are set, whether it judges, and what is sent: a body for both intakes, or something else."""

    limits: dict[str, Any]
    send: Callable[[Exporter], Any]
    judging: bool = True


def pushed(body: bytes, **headers: str) -> Callable[[Exporter], list[int]]:
    """Both intakes answer the same."""
    return lambda exporter: [exporter.push(body, **headers).status_code, exporter.detect(body, **headers).status_code]


def only_pushed(body: bytes) -> Callable[[Exporter], list[int]]:
    return lambda exporter: [exporter.push(body).status_code]


def twice(exporter: Exporter) -> list[int]:
    """The first one waits."""
    assert exporter.push(QUERY).status_code == 202
    return [exporter.push(QUERY).status_code]


def raw(data: bytes, at_once: int = 1) -> Callable[[Exporter], list[int]]:
    """So many connections with these bytes; what the last one is told."""

    def send(exporter: Exporter) -> list[int]:
        exporter.session.close()
        connections = [socket.create_connection(("127.0.0.1", exporter.port), timeout=20) for _ in range(at_once)]
        for connection in connections:
            connection.sendall(data)
        answer = connections[-1].recv(65536)
        for connection in connections:
            connection.close()
        return [int(answer.split()[1])] if answer else []

    return send


def record(**fields: Any) -> bytes:
    return json.dumps({"input": "a", **fields}).encode()


TOO_MANY_MEMBERS = b"".join([gzip.compress(b"")] * MEMBERS) + gzip.compress(QUERY)
PIXELS = {"pixels_base64": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "shape": [4, 8]}
HEAD = b"POST /detect HTTP/1.1\r\nhost: x\r\n"
TRIED: dict[str, Tried] = {
    "open connections": Tried({"connections": 3}, raw(HEAD + b"content-length: 9\r\n\r\n", at_once=4)),
    "request line and headers": Tried({}, raw(HEAD + b"a: b\r\n" * (HEADER_BYTES // 6))),
    "what is no HTTP": Tried({}, raw(b"GET\r\n\r\n")),
    "time for the headers": Tried({"header_timeout": 0.1}, raw(HEAD)),
    "time for the body": Tried({"body_timeout": 0.1}, raw(HEAD + b"content-length: 9\r\n\r\n")),
    "body as it is sent": Tried({"body_bytes": 20}, pushed(QUERY)),
    "body as it is unpacked": Tried({"body_bytes": 20_000}, pushed(gzip.compress(QUERY + b" " * 20_000))),
    "all bodies in hand together": Tried({"bodies_bytes": 20}, only_pushed(QUERY)),
    "gzip members in a body": Tried({}, pushed(TOO_MANY_MEMBERS)),
    "packings around a body": Tried({}, pushed(gzip.compress(gzip.compress(QUERY)), content_encoding="gzip, gzip")),
    "packings that are known": Tried({}, pushed(b"\x28\xb5\x2f\xfd", content_encoding="zstd")),
    "queries in a body": Tried({"body_queries": 2}, only_pushed(b"\n".join([QUERY] * 3))),
    "nesting of JSON": Tried({}, pushed(b'{"input":{"a":' + b"[" * 1_000_000)),
    "characters of a text": Tried({"text_characters": 2}, pushed(record(input="abc"))),
    "numbers in a vector": Tried({"vector_numbers": 2}, pushed(record(input=[1, 2, 3]))),
    "features in a row": Tried({"vector_numbers": 2}, pushed(record(input={"a": 1, "b": 2, "c": 3}))),
    "pixels of a picture": Tried({"image_pixels": 7}, pushed(record(input=PIXELS))),
    "attributes": Tried({}, pushed(record(attributes={str(n): n for n in range(MOST_ATTRIBUTES + 1)}))),
    "whole number of a feature": Tried({}, pushed(record(input={"a": 1 << 64}))),
    "whole number of tokens": Tried({}, pushed(record(tokens={"input": 1 << 63}))),
    "number anywhere": Tried({}, pushed(b'{"input":"a","label":1e999}')),
    "waiting queries": Tried({"queue_queries": 1}, twice, judging=False),
    "bytes of waiting queries": Tried({"queue_bytes": 60}, twice, judging=False),
}
#: tried where what they need is at hand
ELSEWHERE = {
    "time until the next request": "tests/exporter/http/test_protocol.py",
    "time in which nothing of an answer is read": "tests/exporter/http/test_protocol.py",
    "id, model, client, version": "tests/exporter/formats/native/test_names.py",
    "journal": "tests/exporter/sources/test_push.py",
    "models with a label": "tests/exporter/test_models.py",
    "clients of a model": "tests/exporter/clients/test_suspicion.py",
    "evidence on clients": "tests/exporter/clients/test_budget.py",
    "custom metrics that samples declare": "tests/exporter/health/test_custom.py",
    "series of custom metrics": "tests/exporter/health/test_custom.py",
    "label value": "tests/exporter/test_models.py",
    "series": "tests/exporter/metrics/test_page.py",
    "wrong keys of an address, a minute": "tests/exporter/access/test_gate.py",
    "requests of a sender, a second": "tests/exporter/access/test_gate.py",
}
#: the bounds of the bodies of other routes, as the page says them
SMALLER = {"64 KiB": models.BODY_BYTES, "256 KiB": anomalies.BODY_BYTES, "4 KiB": references.BODY_BYTES}
EACH = pytest.mark.parametrize("row", ROWS, ids=[row.limit for row in ROWS])


def test_every_row_is_tried() -> None:
    assert [row.limit for row in ROWS if row.limit not in {**TRIED, **ELSEWHERE}] == []
    assert {row.limit for row in ROWS} == {*TRIED, *ELSEWHERE}
    assert [path for path in ELSEWHERE.values() if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("said", SMALLER)
def test_the_bodies_of_other_routes_are_bounded_as_the_page_says(said: str) -> None:
    assert f"{SMALLER[said] // 1024} KiB" == said
    assert f" {said} " in PAGE.split("## Bodies")[1].split("##")[0]


@pytest.mark.parametrize("row", [row for row in ROWS if row.limit in TRIED], ids=lambda row: row.limit)
def test_beyond_a_limit_the_answer_and_the_count_are_as_the_page_says(
    serve: Callable[..., Exporter], config: Callable[..., Config], row: Row
) -> None:
    tried = TRIED[row.limit]
    exporter = serve(config(limits=Limits(**tried.limits)), judging=tried.judging)
    assert exporter.get("/-/healthy").status_code == 200
    statuses = tried.send(exporter)
    assert {str(status) for status in statuses} == {row.answer.split()[0]}
    [*metric, reason] = re.findall(r"`(\w+)`", row.counted)
    if metric:
        assert exporter.connections.closed[reason] == len(statuses)
    else:
        counts = [intake.counts.rejected[reason] for intake in (exporter.push_intake, exporter.detect_intake)]
        assert sum(counts) == (3 if "each of them" in row.counted else len(statuses))


@EACH
def test_the_defaults_are_those_of_the_program(row: Row) -> None:
    if found := re.fullmatch(r"`(\w+)\.(\w+)`", row.key):
        value = getattr(getattr(Config(), found[1]), found[2])
        factor = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}.get(row.default.rpartition(" ")[2], 1)
        given = row.default.partition(" ")[0].replace(",", "")
        assert (given == "none" and value is None) or float(given) * factor == value
    else:
        assert row.key == "fixed"


def test_fixed_numbers_are_those_of_the_program() -> None:
    fixed = {row.limit: row.default for row in ROWS if row.key == "fixed"}
    assert fixed["gzip members in a body"] == str(MEMBERS)
    assert fixed["clients of a model"] == f"{MOST_CLIENTS:,}"
    assert fixed["attributes"] == f"{MOST_ATTRIBUTES:,}"
    assert fixed["id, model, client, version"] == f"{NAME_CHARACTERS} characters"
    assert fixed["request line and headers"] == f"{HEADER_BYTES >> 10} KiB"
    assert f"{RESERVED} more may ask for health" in PAGE
    assert {SENDERS, CANDIDATES, KEPT_ANSWERS} == {10_000}
