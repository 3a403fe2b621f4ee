"""HTTP connections within bounds, over the wire."""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator

import pytest

from exporter.config import Config, Limits
from exporter.http.protocol import HEADER_BYTES, RESERVED
from tests.exporter.conftest import Exporter

Build = Callable[..., Config]
Start = Callable[..., Exporter]
BODY = b'{"input":"a","output":[0.5,0.5]}'
DETECT = b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def start(serve: Callable[..., Exporter], config: Build) -> Start:
    """An exporter with limits of its own, that answers."""

    def build(judging: bool = True, **limits: float) -> Exporter:
        exporter = serve(config(limits=Limits(**limits)), judging=judging)  # type: ignore[arg-type]
        assert exporter.get("/-/healthy").status_code == 200
        exporter.session.close()
        return exporter

    return build


@contextlib.contextmanager
def connected(exporter: Exporter) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", exporter.port), timeout=20) as connection:
        yield connection


def until_end(connection: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # it hung up while there was something left to read for it
        while chunk := connection.recv(65536):
            received += chunk
    return received


def answered(connection: socket.socket, times: int, to: bytes) -> bytes:
    """What comes until it holds `to` that many times."""
    received = b""
    while received.count(to) < times:
        chunk = connection.recv(65536)
        assert chunk, f"hung up after {received!r}"
        received += chunk
    return received


def dribble(connection: socket.socket, request: bytes) -> None:
    """Send byte by byte, as long as the server listens, waiting for its end a little before each."""
    for place in range(len(request)):
        if select.select([connection], [], [], 0.02)[0]:
            return
        connection.sendall(request[place : place + 1])


def is_closing(answer: bytes, status: int) -> bool:
    return answer.startswith(b"HTTP/1.1 %d " % status) and b"\r\nconnection: close\r\n" in answer


def test_a_connection_that_says_nothing_is_closed(start: Start) -> None:
    exporter = start(header_timeout=0.1)
    with connected(exporter) as connection:
        assert is_closing(until_end(connection), 408)
    assert exporter.connections.closed["header_timeout"] == 1


def test_headers_that_do_not_come_to_an_end_are_not_waited_for(start: Start) -> None:
    exporter = start(header_timeout=0.1)
    with connected(exporter) as connection:
        connection.sendall(b"POST /detect HTTP/1.1\r\nhost: x\r\n")
        answer = until_end(connection)
    assert is_closing(answer, 408)
    assert answer.endswith(b'{"detail":"the headers took too long"}')


def test_a_body_that_does_not_come_to_an_end_is_not_waited_for(start: Start) -> None:
    exporter = start(body_timeout=0.1)
    with connected(exporter) as connection:
        connection.sendall(DETECT[:-1])
        answer = until_end(connection)
    assert is_closing(answer, 408)
    assert answer.endswith(b'{"detail":"the body took too long"}')
    assert exporter.connections.closed["body_timeout"] == 1
    assert exporter.page()['vedette_http_connections_closed_total{reason="body_timeout"}'] == 1


@pytest.mark.parametrize(("begun", "reason"), [(0, "header_timeout"), (len(DETECT) - len(BODY), "body_timeout")])
def test_single_bytes_do_not_put_the_deadline_off(start: Start, begun: int, reason: str) -> None:
    exporter = start(**{reason: 0.1})
    with connected(exporter) as connection:
        connection.sendall(DETECT[:begun])
        dribble(connection, DETECT[begun : begun + 30] * 100)
        assert is_closing(until_end(connection), 408)
    assert exporter.connections.closed[reason] == 1


def test_a_body_that_was_refused_early_is_not_waited_for_either(start: Start) -> None:
    exporter = start(body_timeout=0.1, body_bytes=1000)
    with connected(exporter) as connection:
        connection.sendall(b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\n\r\nx")
        answer = until_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert exporter.connections.closed["body_timeout"] == 1


@pytest.mark.parametrize("between", [b"", b"\r\n"])
def test_a_connection_that_waits_for_too_long_is_closed_without_a_word(start: Start, between: bytes) -> None:
    exporter = start(idle_timeout=0.1)
    with connected(exporter) as connection:
        connection.sendall(DETECT + between)
        assert until_end(connection).count(b"HTTP/1.1") == 1
    assert set(exporter.connections.closed.values()) == {0}


def test_a_connection_that_is_used_again_stays_open(start: Start) -> None:
    exporter = start(header_timeout=1.0, body_timeout=1.0)
    with connected(exporter) as connection:
        for _ in range(3):  # together longer than a time-out, and each shorter
            connection.sendall(DETECT)
            answered(connection, 1, b"detections")
            assert not select.select([connection], [], [], 0.4)[0]
    assert set(exporter.connections.closed.values()) == {0}


def test_an_answer_that_takes_long_is_waited_for(start: Start) -> None:
    exporter = start(judging=False, header_timeout=0.5, body_timeout=0.05, idle_timeout=0.05)
    with connected(exporter) as connection:
        connection.sendall(DETECT)
        assert not select.select([connection], [], [], 1.0)[0]
        exporter.judge()
        assert until_end(connection).startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_takes_long_is_given_before_what_follows_it_is_refused(start: Start) -> None:
    exporter = start(judging=False, header_timeout=5.0, body_timeout=0.05, idle_timeout=0.05)
    with connected(exporter) as connection:
        connection.sendall(DETECT + DETECT[:-1])
        assert not select.select([connection], [], [], 0.3)[0]
        exporter.judge()
        answer = until_end(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 2
    assert b"HTTP/1.1 408 " in answer


def test_a_client_that_does_not_read_is_hung_up_on(start: Start) -> None:
    exporter = start(idle_timeout=0.1)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that it is soon full
        connection.connect(("127.0.0.1", exporter.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 2000)
        while not exporter.connections.closed["answer_not_read"]:
            assert exporter.get("/-/healthy").text == "healthy\n"
    assert exporter.connections.closed["answer_not_read"] == 1


def test_one_connection_more_than_allowed_is_told_so(start: Start) -> None:
    exporter = start(connections=2)
    with connected(exporter) as first, connected(exporter) as second:
        for connection in (first, second):
            connection.sendall(HEALTHY)
            answered(connection, 1, b"healthy\n")
        with connected(exporter) as third:
            third.sendall(DETECT)
            assert is_closing(until_end(third), 503)
        first.sendall(HEALTHY)
        answered(first, 1, b"healthy\n")
        assert len(exporter.connections.open) == 2
    assert exporter.connections.closed["too_many"] == 1


def test_health_and_metrics_are_answered_when_all_connections_are_taken(start: Start) -> None:
    exporter = start(connections=1)
    with connected(exporter) as first:
        first.sendall(HEALTHY)
        answered(first, 1, b"healthy\n")
        for path, status in ((b"/-/ready", 200), (b"/metrics", 200), (b"/-/healthy?a", 200), (b"/-/healthyx", 503)):
            with connected(exporter) as other:
                other.sendall(HEALTHY.replace(b"/-/healthy", path))
                assert answered(other, 1, b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)
    assert exporter.connections.closed["too_many"] == 1


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", b"HTTP/1.1 503 "),
        (HEALTHY[:5], b"HTTP/1.1 503 "),
        (HEALTHY, b""),
        (HEALTHY.replace(b"host: x", b"content-length: 9"), b""),
    ],
)
def test_silent_connections_keep_nobody_from_asking_for_health(start: Start, sent: bytes, told: bytes) -> None:
    """Nor do those that were answered, or whose body does not come: the oldest of them makes room."""
    exporter = start(connections=1)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(exporter)) for _ in range(1 + RESERVED)]
        for connection in held:
            connection.sendall(sent)
            if not told:
                answered(connection, 1, b"healthy\n")
        for number in (1, 2):
            other = stack.enter_context(connected(exporter))
            other.sendall(HEALTHY)
            answered(other, 1, b"healthy\n")
            assert until_end(held[number]).startswith(told)
        assert len(exporter.connections.open) == 1 + RESERVED
    assert exporter.connections.closed["too_many"] == 2


def test_connections_within_the_limit_make_no_room(start: Start) -> None:
    exporter = start(connections=1 + RESERVED)
    with contextlib.ExitStack() as stack:
        for connection in [stack.enter_context(connected(exporter)) for _ in range(1 + RESERVED)]:
            connection.sendall(HEALTHY)
            answered(connection, 1, b"healthy\n")
        exporter.connections.limits = Limits(connections=1)
        assert is_closing(until_end(stack.enter_context(connected(exporter))), 503)
        connection.sendall(HEALTHY)
        answered(connection, 1, b"healthy\n")


def test_a_connection_beyond_the_limit_is_as_the_others_once_there_is_room(start: Start) -> None:
    exporter = start(connections=1)
    with connected(exporter) as second:
        with connected(exporter) as first:
            first.sendall(HEALTHY + HEALTHY.replace(b"host: x", b"connection: close"))
            second.sendall(HEALTHY)
            answered(second, 1, b"healthy\n")
            until_end(first)
        second.sendall(DETECT)
        answered(second, 1, b"detections")


@pytest.mark.parametrize("kind", [b"h2c", b"websocket", b"x"])
@pytest.mark.parametrize("parts", [1, 7])
def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(
    start: Start, kind: bytes, parts: int
) -> None:
    exporter = start()
    asking = DETECT.replace(b"host: x", b"host: x\r\nconnection: upgrade, http2-settings\r\nupgrade: " + kind)
    with connected(exporter) as connection:
        requests = asking + HEALTHY + asking
        size = len(requests) // parts + 1
        for begin in range(0, len(requests), size):
            connection.sendall(requests[begin : begin + size])
        assert answered(connection, 2, b"detections").count(b"HTTP/1.1 200 OK") == 3


def test_many_requests_that_ask_for_another_protocol_are_answered_one_by_one(start: Start) -> None:
    exporter = start()
    with connected(exporter) as connection:
        connection.sendall(HEALTHY.replace(b"host: x", b"connection: upgrade\r\nupgrade: h2c") * 1000)
        answered(connection, 1000, b"healthy\n")


def test_nobody_is_connected_to_somewhere_else(start: Start) -> None:
    exporter = start()
    with connected(exporter) as connection:
        connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n" + HEALTHY)
        answer = until_end(connection)
    assert is_closing(answer, 400)
    assert answer.count(b"HTTP/1.1") == 1


def test_there_is_room_again_when_a_connection_ends(start: Start) -> None:
    exporter = start(connections=1, header_timeout=0.05)
    for _ in range(3):
        with connected(exporter) as connection:
            until_end(connection)
    assert exporter.connections.closed["header_timeout"] == 3
    assert exporter.page()["vedette_http_connections"] == 1


@pytest.mark.parametrize("parts", [1, 5])
@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_headers_beyond_64_kib_are_431(start: Start, parts: int, end: bytes) -> None:
    exporter = start()
    request = b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: %b\r\n" % (b"b" * 1000) * (HEADER_BYTES // 1000 + 1)
    with connected(exporter) as connection, contextlib.suppress(ConnectionError):
        size = len(request) // parts + 1
        for begin in range(0, len(request), size):
            connection.sendall(request[begin : begin + size])
        connection.sendall(end)
        assert is_closing(until_end(connection), 431)
    assert exporter.connections.closed["headers_too_large"] == 1


@pytest.mark.parametrize("sent", [b"\0\0\0", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", HEALTHY + b"garbage\r\n\r\n"])
def test_what_is_no_http_is_told_so_and_counted(start: Start, sent: bytes) -> None:
    exporter = start()
    with connected(exporter) as connection:
        connection.sendall(sent)
        answer = until_end(connection)
    assert is_closing(answer[answer.index(b"HTTP/1.1 4") :], 400)
    assert answer.endswith(b'{"detail":"no HTTP request"}')
    assert exporter.connections.closed["malformed"] == 1


def test_headers_just_below_64_kib_are_taken_with_a_large_body_behind(start: Start) -> None:
    exporter = start()
    body = b'{"input":"%b","output":[0.5,0.5]}' % (b"x" * 200_000)
    head = b"POST /detect HTTP/1.1\r\nhost: x\r\na: %b\r\ncontent-length: %d\r\n\r\n" % (b"b" * 65_000, len(body))
    with connected(exporter) as connection:
        connection.sendall((head + body) * 2)
        assert answered(connection, 2, b"detections").count(b"HTTP/1.1 200 ") == 2


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    exporter = start()
    with connected(exporter) as connection:
        connection.sendall((DETECT + HEALTHY) * 50)
        received = answered(connection, 50, b"healthy\n")
    assert received.count(b"HTTP/1.1 200 OK") == 100
    kinds = [b"detections" in answer for answer in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert kinds == [True, False] * 50


def test_others_are_answered_while_many_send_slowly(start: Start) -> None:
    exporter = start()
    with contextlib.ExitStack() as slow:
        for number in range(200):
            connection = slow.enter_context(connected(exporter))
            connection.sendall(DETECT[: 10 + number % 80])
        assert exporter.get("/-/healthy").text == "healthy\n"
        assert exporter.page()["vedette_http_connections"] >= 200
