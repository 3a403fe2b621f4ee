"""Reading over HTTP: what is sent, and what becomes of each kind of answer. The real server is in tests/stack."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
import pytest

from exporter.anomalies import prometheus as module
from exporter.anomalies.blocks import ReadError
from exporter.anomalies.prometheus import Prometheus
from exporter.config.anomalies import AnomalyQuery, BasicAuth, LearnedNormal, PrometheusServer
from tests.exporter.certificates import Authority

QUERY = LearnedNormal().resolved(AnomalyQuery(name="cpu", expr="cpu", series=3))


def success(kind: str, result: list[Any]) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


def failure(text: str) -> bytes:
    return json.dumps({"status": "error", "errorType": "execution", "error": text}).encode()


class Server:
    """Speaks as much of the API as a test needs. answers: of the next requests (status, body); then the last again."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[tuple[int, bytes]] = [(200, success("matrix", []))]
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                self.reply(body)

            def do_GET(self) -> None:
                self.reply(urlsplit(self.path).query)

            def reply(self, form: str) -> None:
                fields = {name: values[0] for name, values in parse_qs(form).items()}
                server.asked.append((self.command, urlsplit(self.path).path, fields, dict(self.headers)))
                if "metadata" in self.path:
                    status, content = 200, server.metadata
                else:
                    status, content = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.metadata = json.dumps({"status": "success", "data": {}}).encode()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Callable[..., Prometheus]]:
    waits: list[float] = []
    made: list[Prometheus] = []

    def build(**keys: Any) -> Prometheus:
        keys.setdefault("url", f"http://127.0.0.1:{server.port}/prefix")
        made.append(Prometheus(PrometheusServer(**keys), sleep=waits.append, jitter=lambda: 0.5))
        made[-1].waits = waits  # type: ignore[attr-defined]
        return made[-1]

    yield build
    for one in made:
        one.close()


def matrix(*values: str, **labels: str) -> bytes:
    points = [[60.0 * (number + 1), value] for number, value in enumerate(values)]
    return success("matrix", [{"metric": labels, "values": points}])


def test_a_read_is_one_post_on_the_grid_with_the_headers_and_credentials_of_the_moment(
    server: Server, client: Callable[..., Prometheus], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    reader = client(credentials_file=str(token), headers={"X-Scope-OrgID": "team-a"})
    server.answers = [(200, matrix("1", "NaN", "+Inf", "2.5", a="b"))]
    [(labels, points)] = reader.range("cpu", 60, 240, 60, "cpu").values()
    assert labels == {"a": "b"}
    np.testing.assert_array_equal(points.times, [60, 120, 180, 240])
    np.testing.assert_array_equal(points.values, [1, np.nan, np.inf, 2.5])
    method, path, form, headers = server.asked[0]
    assert (method, path) == ("POST", "/prefix/api/v1/query_range")
    assert form == {"query": "cpu", "start": "60.000", "end": "240.000", "step": "60"}
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer first", "team-a")
    token.write_text("second")
    reader.range("cpu", 60, 240, 60, "cpu")
    assert server.asked[1][3]["Authorization"] == "Bearer second"


def test_a_name_and_a_password_are_sent(server: Server, client: Callable[..., Prometheus], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pass\n")
    client(basic_auth=BasicAuth(username="me", password_file=str(tmp_path / "password"))).range("a", 0, 60, 60, "a")
    assert server.asked[0][3]["Authorization"] == "Basic bWU6cGFzcw=="


def test_long_spans_are_read_in_chunks_the_newest_first(server: Server, client: Callable[..., Prometheus]) -> None:
    client().range("cpu", 60, 60 * 25_000, 60, "cpu", series=20)
    spans = [(float(form["start"]), float(form["end"])) for _, _, form, _ in server.asked]
    assert [(end - start) / 60 + 1 for start, end in spans] == [10_000, 10_000, 5_000]
    assert spans == sorted(spans, reverse=True)
    server.asked.clear()
    client().range("cpu", 60, 60 * 2_000, 60, "cpu", series=1_000)
    assert [(float(form["end"]) - float(form["start"])) / 60 + 1 for _, _, form, _ in server.asked] == [500] * 4


def test_a_series_that_is_not_in_the_newest_chunk_is_gone(server: Server, client: Callable[..., Prometheus]) -> None:
    server.answers = [(200, matrix("1", a="here")), (200, matrix("2", a="gone"))]
    found = client().range("cpu", 60, 60 * 15_000, 60, "cpu")
    assert [labels for labels, _ in found.values()] == [{"a": "here"}]


@pytest.mark.parametrize("status", [422, 429, 503])
def test_a_busy_server_is_asked_again_with_growing_pauses(
    server: Server, client: Callable[..., Prometheus], status: int
) -> None:
    server.answers = [(status, failure("query timed out"))] * 2 + [(200, matrix("1"))]
    reader = client(retries=3)
    assert reader.range("cpu", 60, 60, 60, "cpu")
    assert reader.waits == [1.0, 2.0]  # type: ignore[attr-defined]


def test_after_the_last_attempt_the_server_has_the_word(server: Server, client: Callable[..., Prometheus]) -> None:
    server.answers = [(503, failure("query\nqueue is full"))]
    with pytest.raises(ReadError, match=r"^cpu: query queue is full$") as error:
        client(retries=1).range("cpu", 60, 60, 60, "cpu")
    assert (error.value.reason, len(server.asked)) == ("unreachable", 2)


@pytest.mark.parametrize(
    ("status", "body", "reason", "text"),
    [
        (400, failure("invalid parameter"), "expression", "cpu: invalid parameter"),
        (422, failure("many-to-many matching not allowed"), "expression", "cpu: many-to-many matching not allowed"),
        (401, b"go away", "unreachable", "cpu: status 401 without an answer of Prometheus"),
        (200, matrix("1", "one"), "unreachable", "does not speak Prometheus: could not convert string to float: 'one'"),
        (200, b"<html>", "unreachable", "cpu: status 200 without an answer of Prometheus"),
        (200, success("scalar", []), "expression", "cpu: expected series, the expression gives a scalar"),
        (200, success("matrix", [7]), "unreachable", "does not speak Prometheus"),
        (200, b'{"status": "\xff"}', "unreachable", "cpu: status 200 without an answer of Prometheus"),
        (200, b'{"a":' * 5_000, "unreachable", "cpu: status 200 without an answer of Prometheus"),
        (200, matrix("1", host="\udcff").replace(b"\\udcff", b"\xff"), "unreachable", "does not speak Prometheus"),
    ],
)
def test_what_is_wrong_for_good_is_told_at_once(
    server: Server, client: Callable[..., Prometheus], status: int, body: bytes, reason: str, text: str
) -> None:
    server.answers = [(status, body)]
    with pytest.raises(ReadError) as error:
        client().range("cpu", 60, 60, 60, "cpu")
    assert (error.value.reason, len(server.asked)) == (reason, 1)
    assert text in str(error.value)


def test_an_answer_without_end_is_cut_off(
    server: Server, client: Callable[..., Prometheus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES", 1000)
    server.answers = [(200, matrix(*["1"] * 1000))]
    with pytest.raises(ReadError) as error:
        client().range("cpu", 60, 60, 60, "cpu")
    assert error.value.reason == "too_large"


def test_nobody_there_and_a_secret_that_is_missing_say_so(client: Callable[..., Prometheus], tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be reached: Connection refused"):
        client(url="http://127.0.0.1:9", retries=0).range("cpu", 60, 60, 60, "cpu")
    with pytest.raises(ReadError, match="no-token: No such file or directory"):
        client(credentials_file=str(tmp_path / "no-token"), retries=0).range("cpu", 60, 60, 60, "cpu")
    with pytest.raises(ReadError, match="invalid path: /no-such-authority"):
        client(url="https://127.0.0.1:9", ca_file="/no-such-authority", retries=0).range("cpu", 60, 60, 60, "cpu")
    assert not client(url="http://127.0.0.1:9").is_well()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff\xfe", "token: not UTF-8"),
        ("t\u20acken".encode(), "token: expected a token of printable ASCII characters"),
        (b"two\nlines", "token: expected a token of printable ASCII characters"),
        (b"", "token: expected a token of printable ASCII characters"),
    ],
)
def test_a_token_that_cannot_be_sent_says_so(
    client: Callable[..., Prometheus], tmp_path: Path, content: bytes, text: str
) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ReadError, match=text):
        client(credentials_file=str(tmp_path / "token"), retries=0).range("cpu", 60, 60, 60, "cpu")


# -- before anything is read


def counted(number: int) -> bytes:
    return success("vector", [{"metric": {}, "value": [0, str(number)]}])


def test_the_series_are_counted_first(server: Server, client: Callable[..., Prometheus]) -> None:
    server.answers = [(200, counted(3))]
    assert client().check(QUERY, 100.0) == 3
    assert server.asked[-1][2] == {"query": "count(cpu\n)", "time": "100.000"}


def test_50_000_series_are_refused_by_one_request_that_names_the_query(
    server: Server, client: Callable[..., Prometheus]
) -> None:
    server.answers = [(200, counted(50_000))]
    with pytest.raises(ReadError) as error:
        client().check(QUERY, 100.0)
    assert error.value.reason == "too_many_series"
    assert str(error.value) == (
        "cpu: 50000 series, more than its bound of 3; aggregate them, or raise `series` of the query"
    )


def test_no_series_at_all_is_said(server: Server, client: Callable[..., Prometheus]) -> None:
    server.answers = [(200, success("vector", []))]
    with pytest.raises(ReadError, match=r"^cpu: the expression has no series now$"):
        client().check(QUERY, 100.0)


@pytest.mark.parametrize(
    ("expr", "known", "metric"),
    [
        ("hits", {"hits": [{"type": "counter"}]}, "hits"),
        ("sum(hits) / 2", {"hits": [{"type": "counter"}]}, "hits"),
        ("x_seconds_count", {"x_seconds": [{"type": "histogram"}]}, "x_seconds_count"),
        ("x_seconds_sum", {"x_seconds": [{"type": "summary"}]}, "x_seconds_sum"),
    ],
)
def test_a_counter_is_refused_by_what_the_server_knows_of_it(
    server: Server, client: Callable[..., Prometheus], expr: str, known: dict[str, Any], metric: str
) -> None:
    server.metadata = json.dumps({"status": "success", "data": known}).encode()
    with pytest.raises(ReadError) as error:
        client().check(msgspec.structs.replace(QUERY, expr=expr), 100.0)
    assert error.value.reason == "counter"
    assert str(error.value).startswith(f"cpu: {metric} is a counter: expected rate({metric}[5m])")


GAUGE = b'{"status": "success", "data": {"hits": [{"type": "gauge"}]}}'


@pytest.mark.parametrize("metadata", [b"{}", b"not json", GAUGE, GAUGE.replace(b"gauge", b"\xff")])
def test_a_gauge_and_a_server_without_metadata_are_fine(
    server: Server, client: Callable[..., Prometheus], metadata: bytes
) -> None:
    server.metadata, server.answers = metadata, [(200, counted(1))]
    assert client().check(msgspec.structs.replace(QUERY, expr="hits"), 100.0) == 1


# -- TLS


def test_tls_is_verified_by_the_given_authority_and_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("prometheus"))
    running = Server(context)
    ca = str(authority.ca)
    try:
        for host, keys, reached in (
            ("127.0.0.1", {"ca_file": ca}, True),
            ("localhost", {"ca_file": ca, "server_name": "127.0.0.1"}, True),
            ("localhost", {"ca_file": ca}, False),
            ("127.0.0.1", {}, False),
        ):
            url = f"https://{host}:{running.port}"
            reader = Prometheus(PrometheusServer(url=url, retries=0, **keys))  # type: ignore[arg-type]
            if reached:
                assert reader.range("cpu", 60, 60, 60, "cpu") == {}
            else:
                with pytest.raises(ReadError, match="cannot be reached: TLS"):
                    reader.range("cpu", 60, 60, 60, "cpu")
            reader.close()
    finally:
        running.stop()


def test_an_expression_may_end_with_a_comment(server: Server, client: Callable[..., Prometheus]) -> None:
    server.answers = [(200, success("vector", [{"metric": {}, "value": [60.0, "2"]}]))]
    assert client().check(msgspec.structs.replace(QUERY, expr="cpu # of all cores"), 100.0) == 2
    assert server.asked[-1][2]["query"] == "count(cpu # of all cores\n)"


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("sum(rate(x[5m])", "expression"),
        ("42", "expression"),
        ("scalar(sum(up))", "expression"),
        ("x_total", "counter"),
    ],
)
def test_what_cannot_be_learned_is_not_asked_for(
    server: Server, client: Callable[..., Prometheus], expr: str, reason: str
) -> None:
    with pytest.raises(ReadError) as error:
        client().check(msgspec.structs.replace(QUERY, expr=expr), 100.0)
    assert error.value.reason == reason
    assert str(error.value).startswith("cpu: ")
    assert server.asked == []
