"""The fast way of `POST /detect` and of samples answers as the application does, over the wire."""

import contextlib
import gzip
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporter.config import Config, DetectorConfig, Limits
from tests.exporter.conftest import Exporter, LengthDetector

Build = Callable[..., Config]
Serve = Callable[..., Exporter]
BODY = b'{"input":"a","output":[0.5,0.5]}'
LAST = b"GET /-/healthy HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
BODY_BYTES = 100_000


def detect(body: bytes = BODY, *headers: bytes, method: bytes = b"POST", path: bytes = b"/detect") -> bytes:
    length = b"content-length: %d" % len(body)
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"host: x", *headers, length, b"", body])


def chunked(*chunks: bytes) -> bytes:
    head = b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


SAMPLES = b"/api/v1/metrics/inference"
SAMPLE = b'{"model_id":"m","model_type":"llm","request_id":"r","latency":5}'
NAMED = b'{"id":"%b","input":"a","output":[0.5,0.5]}'
LARGE = b'{"input":"%b","output":[0.5,0.5]}'
PICTURE = b'{"input":{"image_base64":"xxxx"}}'
OLD = b"POST /detect HTTP/1.0\r\ncontent-length: %d\r\n%b\r\n" % (len(BODY), b"%b") + BODY
#: in pieces, the answer may be there before the rest comes, whichever way it goes
RACE = "no HTTP after an answer that is to come"
#: what is sent, in order, and how many of the answers come the fast way
REQUESTS: dict[str, tuple[bytes, int]] = {
    "plain": (detect(), 1),
    "names in capitals": (detect().replace(b"content-length", b"Content-LENGTH"), 1),
    "a type": (detect(BODY, b"content-type: image/png", b"accept: */*", b"user-agent: x"), 1),
    "a header twice": (detect(BODY, b"x-a: 1", b"x-a: 2"), 1),
    "empty lines before": (b"\r\n\r\n" + detect(), 1),
    "connection: close": (detect(BODY, b"Connection: close"), 1),
    "connection: keep-alive": (detect(BODY, b"Connection: Keep-Alive"), 1),
    "HTTP/1.0": (OLD % b"", 0),
    "HTTP/1.0, keep-alive": (OLD % b"connection: keep-alive\r\n", 0),
    "expect": (detect(BODY, b"expect: 100-continue"), 0),
    "upgrade": (detect(BODY, b"connection: upgrade, close", b"upgrade: h2c"), 0),
    "gzip": (detect(gzip.compress(BODY, mtime=0), b"content-encoding: gzip"), 0),
    "gzip that is not said": (detect(gzip.compress(BODY, mtime=0)), 0),
    "deflate": (detect(zlib.compress(BODY), b"content-encoding: deflate"), 0),
    "identity": (detect(BODY, b"content-encoding: identity"), 0),
    "brotli": (detect(BODY, b"content-encoding: br"), 0),
    "chunks": (chunked(BODY[:5], BODY[5:]), 0),
    "chunks that are too large": (chunked(*[b"x" * 50_000] * 3), 0),
    "chunks and a length": (detect(BODY, b"transfer-encoding: chunked"), 0),
    "two lengths": (detect(BODY, b"content-length: 3"), 0),
    "a length that is none": (detect(BODY, b"content-length: many"), 0),
    "too large": (detect(b"x" * (BODY_BYTES + 1)), 0),
    "too large, before it comes": (b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-length: 100001\r\n\r\n", 0),
    "large": (detect(LARGE % (b"x" * 66_000)), 0),
    "fairly large": (detect(LARGE % (b"x" * 60_000)), 1),
    "a picture": (detect(PICTURE), 0),
    "no JSON": (detect(b"hello"), 1),
    "no UTF-8": (detect(b'{"input":"\xff"}'), 1),
    "no input": (detect(b"{}"), 1),
    "no output": (detect(b'{"input":"a"}'), 1),
    "no probabilities": (detect(b'{"input":"a","output":[2]}'), 1),
    "a page of a site": (detect(BODY, b"origin: https://site.example"), 0),
    "no body": (detect(b""), 1),
    "no length": (b"POST /detect HTTP/1.1\r\nhost: x\r\n\r\n", 1),
    "other methods": (b"".join(detect(method=method) for method in (b"GET", b"PUT", b"OPTIONS", b"HEAD")), 0),
    "a query string": (detect(path=b"/detect?a=b"), 0),
    "an escaped path": (detect(path=b"/%64etect"), 0),
    "a whole address": (detect(path=b"http://x/detect"), 0),
    "another path": (detect(path=b"/detect/"), 0),
    "another intake": (detect(path=b"/api/v1/queries"), 0),
    "words that cannot be written": (detect(b'{"input":"odd"}'), 1),
    "an id": (detect(NAMED % b"1"), 1),
    "an id again": (detect(NAMED % b"1"), 1),
    "an id with other content": (detect(b'{"id":"1","input":"b","output":[0.5,0.5]}'), 1),
    "an id that was pushed": (detect(NAMED % b"2", path=b"/api/v1/queries") + detect(NAMED % b"2"), 0),
    "a sample": (detect(SAMPLE, path=SAMPLES), 1),
    "samples": (detect(b"[%b,%b]" % (SAMPLE, SAMPLE), path=SAMPLES), 1),
    "a sample without a field": (detect(b'{"model_id":"m"}', path=SAMPLES), 1),
    "no sample": (detect(b"hello", path=SAMPLES), 1),
    "a packed sample": (detect(gzip.compress(SAMPLE, mtime=0), path=SAMPLES), 0),
    "another method for samples": (detect(method=b"GET", path=SAMPLES), 0),
    "a query and a sample": (detect() + detect(SAMPLE, path=SAMPLES), 1),
    "no HTTP": (b"hello\r\n\r\n", 0),
    RACE: (detect() + b"hello\r\n\r\n", 0),
    "a queue of requests": ((detect() + detect(b"{}") + detect(method=b"GET")) * 20, 1),
    "errors one after the other": (detect(b"hello") * 20, 20),
    "a request after the last": (detect(BODY, b"connection: close") + detect(), 1),
}


class OddDetector(LengthDetector):
    """Finds words for "odd" that cannot be written."""

    name = "odd"

    def explain(self, index: int, score: float) -> Any:
        said = super().explain(index, score)
        if score == 3:
            said.metadata["odd"] = object()
        return said


class Ways:
    """An exporter that goes the fast way, and one that may not."""

    def __init__(self, serve: Serve, config: Config, **options: Any) -> None:
        self.fast, self.ordinary = serve(config, **options), serve(config, **options)
        self.ordinary.fast.allowed = lambda: False
        for exporter in (self.fast, self.ordinary):
            exporter.get("/-/healthy")
        self.written = 0
        write = self.fast.fast.write

        def counted(*arguments: Any) -> bytes:
            self.written += 1
            return write(*arguments)

        self.fast.fast.write = counted  # type: ignore[method-assign]


@contextlib.contextmanager
def connected(exporter: Exporter) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", exporter.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def until_end(connection: socket.socket) -> bytes:
    """All that comes until the server hangs up, without the time of day."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # it hung up with something of ours unread
        while chunk := connection.recv(65536):
            received += chunk
    return re.sub(rb"date: [^\r]+\r\n", b"date: \r\n", received)


def said(exporter: Exporter, sent: bytes, size: int) -> bytes:
    """The answers to bytes that are sent in pieces of a size, and to a last request behind them."""
    with connected(exporter) as connection:
        with contextlib.suppress(ConnectionError):
            for begin in range(0, len(sent), size):
                connection.sendall(sent[begin : begin + size])
            connection.sendall(LAST)
        return until_end(connection)


@pytest.fixture
def configured(config: Build, register: Any) -> Config:
    register("odd", OddDetector)
    confidence = DetectorConfig(name="confidence", options={"threshold": 0.5})
    limits = Limits(body_bytes=BODY_BYTES, body_timeout=1.5)
    return config(confidence, DetectorConfig(name="odd"), limits=limits)


@pytest.mark.parametrize("size", [1 << 20, 7])
def test_both_ways_answer_the_same(serve: Serve, configured: Config, size: int) -> None:
    ways = Ways(serve, configured)
    for name, (sent, _) in REQUESTS.items():
        if size == 7 and (len(sent) > 10_000 or name == RACE):
            continue
        fast, ordinary = said(ways.fast, sent, size), said(ways.ordinary, sent, size)
        assert (name, fast) == (name, ordinary)
        assert fast.startswith(b"HTTP/1.1 ")
    counts = [
        [vars(intake.counts) for intake in (way.detect_intake, way.push_intake)] for way in (ways.fast, ways.ordinary)
    ]
    assert counts[0] == counts[1]


def test_what_is_plain_goes_the_fast_way_and_the_rest_does_not(serve: Serve, configured: Config) -> None:
    ways = Ways(serve, configured)
    found = {}
    for name, (sent, _) in REQUESTS.items():
        ways.written = 0
        said(ways.fast, sent, 1 << 20)
        found[name] = ways.written
    expected = {name: fast for name, (_, fast) in REQUESTS.items()}
    assert found == expected


def test_nothing_goes_the_fast_way_where_it_is_not_allowed(serve: Serve, config: Build) -> None:
    ways = Ways(serve, config())
    ways.fast.fast.allowed = lambda: False
    assert b"HTTP/1.1 200 OK" in said(ways.fast, detect(), 1 << 20)
    assert ways.written == 0


def test_before_it_is_ready_both_ways_say_so(serve: Serve, config: Build) -> None:
    ways = Ways(serve, config(), is_ready=lambda: False)
    fast = said(ways.fast, detect(), 1 << 20)
    assert fast == said(ways.ordinary, detect(), 1 << 20)
    assert fast.startswith(b"HTTP/1.1 503 ")


def test_without_room_both_ways_say_when_to_come_again(serve: Serve, config: Build) -> None:
    ways = Ways(serve, config(limits=Limits(queue_queries=1)), judging=False)
    answers = []
    for exporter in (ways.fast, ways.ordinary):
        assert exporter.push(BODY).status_code == 202
        answers.append(said(exporter, detect(), 1 << 20))
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: 1\r\n" in answers[0]
    assert ways.written == 1


def test_a_client_that_leaves_in_the_middle_of_a_body_has_asked_nothing(serve: Serve, config: Build) -> None:
    ways = Ways(serve, config())
    for exporter in (ways.fast, ways.ordinary):
        with connected(exporter) as connection:
            connection.sendall(detect()[:-1])
        assert exporter.page()['vedette_queries_accepted_total{source="detect"}'] == 0
    assert ways.written == 0


@pytest.mark.parametrize("allowed", [True, False])
def test_a_client_that_leaves_before_its_answer_is_counted_and_disturbs_nobody(
    serve: Serve, config: Build, allowed: bool
) -> None:
    exporter = serve(config(), judging=False)
    exporter.fast.allowed = lambda: allowed
    exporter.get("/-/healthy")
    with connected(exporter) as stays:
        with connected(exporter) as leaves:
            leaves.sendall(detect())
            wait_for_queries(exporter, 1)
        stays.sendall(detect(BODY, b"connection: close"))
        wait_for_queries(exporter, 2)
        exporter.judge()
        assert until_end(stays).startswith(b"HTTP/1.1 200 OK")
    assert exporter.page()['vedette_queries_accepted_total{source="detect"}'] == 2


@pytest.mark.parametrize("allowed", [True, False])
def test_a_stop_waits_for_the_answer_in_hand(serve: Serve, config: Build, allowed: bool) -> None:
    exporter = serve(config(), judging=False)
    exporter.fast.allowed = lambda: allowed
    exporter.get("/-/healthy")
    exporter.session.close()
    with connected(exporter) as idle, connected(exporter) as busy:
        idle.sendall(LAST.replace(b"close", b"keep-alive"))
        assert idle.recv(65536)
        busy.sendall(detect())
        wait_for_queries(exporter, 1)
        exporter.shut_down()
        assert until_end(idle) == b""
        exporter.judge()
        answer = until_end(busy)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"\r\nconnection: close\r\n" in answer


def wait_for_queries(exporter: Exporter, count: int) -> None:
    while exporter.pipeline.waiting < count:
        exporter.get("/-/healthy")
