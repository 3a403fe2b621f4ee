"""HTTP, over the wire."""

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.config import Config, DetectorConfig, Limits
from tests.exporter.conftest import SURE, UNSURE, Exporter, samples

Serve = Callable[..., Exporter]
Build = Callable[..., Config]
#: what Prometheus 2.42 and 3.5 send
ACCEPT_OPENMETRICS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
)
ACCEPT_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)


def raw(exporter: Exporter, *parts: bytes) -> bytes:
    """Send bytes as they are; all that comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", exporter.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# -- POST /api/v1/queries


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":"a"}',
        b'[{"input":"a"}]',
        b'{"input":"a"}\n',
        b'\n{\n"input": "a"\n}',
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson", "text/plain", "image/png"])
def test_a_body_is_what_it_looks_like_whatever_its_content_type(serve: Serve, body: bytes, content_type: str) -> None:
    answer = serve().push(body, content_type=content_type)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_pushed_queries_are_judged_and_on_the_page(serve: Serve) -> None:
    exporter = serve()
    body = [{"input": "a", "output": UNSURE, "client": "c"}, {"input": "b", "output": SURE}, {}]
    answer = exporter.push(body)
    assert (answer.status_code, [wrong["index"] for wrong in answer.json()["rejected"]]) == (202, [2])
    page = exporter.page()
    assert page['vedette_queries_accepted_total{source="push"}'] == 2
    assert page['vedette_queries_rejected_total{reason="missing_field",source="push"}'] == 1
    assert page['vedette_queries_total{model="default"}'] == 2
    assert page['vedette_suspicious_queries_total{model="default"}'] == 1


@pytest.mark.parametrize(
    ("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (bytes, "identity")]
)
def test_packed_bodies_are_taken(serve: Serve, pack: Any, encoding: str) -> None:
    assert serve().push(pack(b'{"input":"a"}'), content_encoding=encoding).status_code == 202


def test_a_chunked_body_is_taken(serve: Serve) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"input":'
        yield b'"a"}\n{"input":"b"}'

    assert serve().push(parts()).json()["accepted"] == 2


def test_a_large_body_is_taken_like_a_small_one(serve: Serve) -> None:
    exporter = serve()
    body = b"\n".join(json.dumps({"input": "x" * 200, "output": SURE}).encode() for _ in range(5000))
    assert len(body) > 1_000_000
    assert exporter.push(body).json() == {"accepted": 5000, "duplicates": 0, "rejected": []}
    assert exporter.page()['vedette_queries_total{model="default"}'] == 5000


def test_a_retry_is_told_so(serve: Serve) -> None:
    exporter = serve()
    exporter.push({"input": "a", "id": "1"})
    assert exporter.push({"input": "a", "id": "1"}).json() == {"accepted": 1, "duplicates": 1, "rejected": []}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", {}, 400),
        (b"hello", {}, 400),
        (b'{"input":"\xff"}', {}, 400),
        (b'{"input":{"a":' + b"[" * 100_000, {}, 400),
        (b"{}", {}, 422),
        (b'{"input":"a"}', {"content_encoding": "gzip"}, 400),
        (b'{"input":"a"}', {"content_encoding": "br"}, 415),
        (b'{"input":"' + b"x" * 2000 + b'"}', {}, 413),
        (gzip.compress(b" " * 2_000_000), {"content_encoding": "gzip"}, 413),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/queries", "/detect"])
def test_what_is_refused_has_its_status_and_a_reason(
    serve: Serve, config: Build, path: str, body: bytes, headers: dict[str, str], expected: int
) -> None:
    body_bytes = 1 << 20 if b"[[" in body else 1500
    exporter = serve(config(limits=Limits(body_bytes=body_bytes)))
    answer = (exporter.push if path.startswith("/api") else exporter.detect)(body, **headers)
    assert answer.status_code == expected
    assert answer.json().get("detail") or answer.json()["rejected"]
    assert exporter.get("/-/healthy").status_code == 200


def test_refused_bodies_are_counted_by_reason(serve: Serve, config: Build) -> None:
    exporter = serve(config(limits=Limits(body_bytes=100)))
    for send in (exporter.push, exporter.detect):
        send(b"x" * 101)
        send(b"x", content_encoding="br")
        send(b"x", content_encoding="gzip")
    page = exporter.page()
    for source in ("push", "detect"):
        assert page[f'vedette_queries_rejected_total{{reason="too_large",source="{source}"}}'] == 1
        assert page[f'vedette_queries_rejected_total{{reason="malformed",source="{source}"}}'] == 2


def test_a_full_queue_is_429_with_the_seconds_to_wait(serve: Serve, config: Build) -> None:
    exporter = serve(config(limits=Limits(queue_queries=2)), judging=False)
    assert exporter.push([{"input": "a"}] * 2).status_code == 202
    for send in (exporter.push, exporter.detect):
        answer = send({"input": "b"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.json() == {"detail": "the queue is full; nothing was taken"}
    page = samples(exporter.get("/metrics").text)
    assert page['vedette_queries_accepted_total{source="push"}'] == 2
    assert page["vedette_queue_queries"] == page["vedette_queue_capacity_queries"] == 2


def test_until_it_is_ready_nothing_is_taken(serve: Serve) -> None:
    ready = [False]
    exporter = serve(is_ready=lambda: ready[0])
    for answer in (exporter.push({"input": "a"}), exporter.detect({"input": "a"})):
        assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (503, "1", {"detail": "not ready"})
    assert (exporter.get("/-/ready").status_code, exporter.get("/-/ready").text) == (503, "not ready\n")
    assert exporter.get("/-/healthy").text == "healthy\n"
    ready[0] = True
    assert exporter.get("/-/ready").text == "ready\n"
    assert exporter.push({"input": "a"}).status_code == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/-/reload"), ("POST", "/api/v1/models/m/warm-up"), ("DELETE", "/api/v1/clients/c"), ("PUT", "/nothing")],
)
def test_until_it_is_ready_nothing_is_changed(serve: Serve, method: str, path: str) -> None:
    """What is being brought back would be spoiled, and an erased client would come back out of the journal."""
    reloads: list[int] = []
    exporter = serve(is_ready=lambda: False, reload=lambda: reloads.append(1))
    answer = exporter.session.request(method, exporter.url + path)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (503, "1", {"detail": "not ready"})
    assert reloads == []
    assert exporter.get("/api/v1/clients").status_code == 200


# -- POST /detect


def test_detect_answers_with_the_verdict(serve: Serve) -> None:
    exporter = serve()
    answer = exporter.detect({"input_data": "a", "model_output": UNSURE, "modality": "text"})
    assert answer.status_code == 200
    assert answer.json()["is_suspicious"] is True
    assert [detection["status"] for detection in answer.json()["detections"]] == ["ok"]
    page = exporter.page()
    assert page['vedette_queries_total{model="default"}'] == 1
    assert page['vedette_queries_accepted_total{source="detect"}'] == 1
    assert page["vedette_judging_delay_seconds_count"] == 0


def test_a_query_as_large_as_a_body_may_be_is_judged(serve: Serve) -> None:
    answer = serve().detect({"input": "x" * 900_000, "output": SURE})
    assert (answer.status_code, answer.json()["is_suspicious"]) == (200, False)


def test_many_at_once_are_each_answered_with_their_own_verdict(
    serve: Serve, config: Build, length: DetectorConfig
) -> None:
    exporter = serve(config(length))
    answers: dict[int, float] = {}

    def ask(number: int) -> None:
        for size in range(number, number + 20):
            answer = exporter.session.post(exporter.url + "/detect", json={"input": "x" * size}, timeout=30).json()
            answers[number * 100 + size] = answer["metadata"]["score"] - size

    senders = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert len(answers) == 160
    assert set(answers.values()) == {0.0}


# -- senders that go away


@pytest.mark.parametrize("path", ["/api/v1/queries", "/detect"])
def test_a_sender_that_goes_away_in_mid_body_leaves_nothing_behind(
    serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = serve()
    for sent in (b"", b'{"input":"a"}', b'{"input":"a"}\n{"inp'):
        connection = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode() + sent)
        connection.close()
    assert exporter.push({"input": "b"}).status_code == 202
    assert exporter.page()['vedette_queries_total{model="default"}'] == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_senders_that_do_not_wait_for_their_verdict_do_not_disturb_the_others(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = serve(judging=False)
    body = json.dumps({"input": "a", "output": SURE}).encode()
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
        connection.sendall(request("POST", "/detect", f"Content-Length: {len(body)}", body=body))
        connection.close()
    exporter.judge()
    assert exporter.detect({"input": "b", "output": SURE}).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# -- the other hot paths


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/api/v1/queries", "GET", "POST"),
        ("/api/v1/queries", "PUT", "POST"),
        ("/detect", "GET", "POST"),
        ("/metrics", "POST", "GET, HEAD"),
        ("/-/healthy", "DELETE", "GET, HEAD"),
        ("/-/ready", "OPTIONS", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_the_right_one_is_named(serve: Serve, path: str, method: str, allowed: str) -> None:
    exporter = serve()
    answer = exporter.session.request(method, exporter.url + path, timeout=30)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json() == {"detail": "method not allowed"}


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
def test_head_gives_the_headers_of_get_without_the_body(serve: Serve, path: str) -> None:
    exporter = serve()
    head = raw(exporter, request("HEAD", path))
    header, _, body = head.partition(b"\r\n\r\n")
    assert status(head) == 200
    assert body == b""
    assert int(header.lower().split(b"content-length: ")[1].split()[0]) > 0


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/queries/", "/api/v1", "/metrics/x", "/detect/../detect"])
def test_an_unknown_path_is_404_as_json(serve: Serve, path: str) -> None:
    answer = raw(serve(), request("GET", path))
    assert status(answer) == 404
    assert b'{"detail":"Not Found"}' in answer


def test_the_page_is_text_unless_openmetrics_is_asked_for(serve: Serve) -> None:
    exporter = serve()
    exporter.push({"input": "a", "output": UNSURE, "id": "query-1"})
    exporter.settle()
    text = exporter.get("/metrics", accept="*/*")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "query-1" not in text.text
    for accept in (ACCEPT_OPENMETRICS, ACCEPT_3):
        page = exporter.get("/metrics", accept=accept)
        assert page.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
        assert page.text.endswith("# EOF\n")
        assert '# {query_id="query-1"} 1.0 1000000.0' in page.text
        assert list(parse_openmetrics(page.text))


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version==;;;",
        "text/plain;version=1.0.0;escaping=nonsense",
        ";,;,=",
        "\xff\x80",
        "application/openmetrics-text;version=" + "9" * 5000,
    ],
)
def test_whatever_a_client_says_that_it_accepts_it_gets_a_page(serve: Serve, accept: str) -> None:
    answer = raw(serve(), request("GET", "/metrics", f"Accept: {accept}"))
    assert status(answer) == 200
    assert b"vedette_build_info" in answer


def test_the_page_is_there_while_the_judging_is_held_up(serve: Serve, config: Build) -> None:
    exporter = serve(judging=False)
    assert exporter.push([{"input": "a"}] * 100).status_code == 202
    assert samples(exporter.get("/metrics").text)["vedette_queue_queries"] == 100


def test_what_is_no_http_is_400_and_the_server_goes_on(serve: Serve) -> None:
    exporter = serve()
    for sent in (b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /detect HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
        assert status(raw(exporter, sent)) == 400
    assert exporter.get("/-/healthy").status_code == 200


def test_a_length_that_is_a_lie_is_refused_before_the_body_comes(serve: Serve, config: Build) -> None:
    exporter = serve(config(limits=Limits(body_bytes=100)))
    answer = raw(exporter, request("POST", "/api/v1/queries", "Content-Length: 99999999"))
    assert status(answer) == 413


def test_bodies_one_after_the_other_on_a_connection_are_each_answered(serve: Serve) -> None:
    exporter, body = serve(), b'{"input":"a"}'
    first = b"POST /api/v1/queries HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    last = request("POST", "/api/v1/queries", f"Content-Length: {len(body)}", body=body)
    assert raw(exporter, first + first + last).count(b"HTTP/1.1 202") == 3


def test_the_queue_is_empty_again_after_a_flood(serve: Serve, config: Build) -> None:
    exporter = serve(config(limits=Limits(queue_queries=500)))
    answers = [exporter.push([{"input": f"{n} {m}", "model": f"m{n}{m}"} for m in range(100)]) for n in range(20)]
    assert {answer.status_code for answer in answers} <= {202, 429}
    taken = sum(answer.json().get("accepted", 0) for answer in answers)
    page = exporter.page()
    assert page["vedette_queue_queries"] == 0
    judged = sum(value for name, value in page.items() if name.startswith("vedette_queries_total{"))
    assert judged == taken
    assert page['vedette_folded_labels_total{label="model"}'] == taken
