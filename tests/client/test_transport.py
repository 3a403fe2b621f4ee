"""HTTP, against a real server."""

import gzip
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import time

import pytest

from vedette_client.transport import WORTH_PACKING, Answer, Http, Unreachable, seconds


class Server(HTTPServer):
    """Keeps what it gets and gives what it is told."""

    status, headers = 202, {"Retry-After": "7"}

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def http(server: Server) -> Iterator[Http]:
    made = Http(server.url, "the-key", 5.0)
    yield made
    made.close()


def test_a_body_goes_with_the_key_and_the_answer_comes_back(server: Server, http: Http) -> None:
    assert http("/path", b"{}") == Answer(202, b"{}", 7.0)
    [(path, headers, body)] = server.got
    assert (path, headers["Authorization"], body) == ("/path", "Bearer the-key", b"{}")


def test_what_is_worth_it_is_packed(server: Server, http: Http) -> None:
    http("/path", b"x" * WORTH_PACKING)
    [(_, headers, body)] = server.got
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b"x" * WORTH_PACKING


def test_a_redirection_is_not_followed(server: Server, http: Http) -> None:
    server.status, server.headers = 307, {"Location": "/elsewhere"}
    assert http("/path", b"{}").status == 307
    assert len(server.got) == 1


def test_no_password_is_taken_from_netrc(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for key in ("the-key", None):
        http = Http(server.url, key)
        http("/path", b"{}")
        http.close()
    assert [headers.get("Authorization") for _, headers, _ in server.got] == ["Bearer the-key", None]


def test_no_answer_is_unreachable_and_its_text_tells_no_address(free_port: int) -> None:
    http = Http(f"http://127.0.0.1:{free_port}/secret", "the-key")
    with pytest.raises(Unreachable) as error:
        http("/path", b"{}")
    assert str(error.value) == "ConnectionError"
    http.close()


@pytest.mark.parametrize(("text", "value"), [("12", 12.0), (None, None), ("soon", None), ("-3", None), ("", None)])
def test_retry_after_in_seconds(text: str | None, value: float | None) -> None:
    assert seconds(text) == value


def test_retry_after_as_a_date() -> None:
    assert seconds(formatdate(time() + 100, usegmt=True)) == pytest.approx(100, abs=5)
    assert seconds(formatdate(0, usegmt=True)) == 0
