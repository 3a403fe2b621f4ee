"""`vedette healthcheck`."""

import socket
import threading
from argparse import Namespace
from typing import Any

import pytest

from exporter.commands import Failure
from exporter.commands.healthcheck import healthcheck
from tests.exporter.conftest import Exporter


def test_a_running_exporter_is_well(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    exporter: Exporter = serve()
    for url in (exporter.url, exporter.url + "/"):
        healthcheck(Namespace(url=url))
        assert capsys.readouterr().out == "healthy\n"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://127.0.0.1:{port}/x y", "nonsense", "ftp://127.0.0.1/", ""]
)
def test_what_does_not_answer_is_a_failure_that_names_the_address(free_port: int, url: str) -> None:
    url = url.format(port=free_port)
    with pytest.raises(Failure) as failure:
        healthcheck(Namespace(url=url))
    assert str(failure.value).startswith(url.rstrip("/") + "/-/healthy: ")


def test_an_answer_that_is_no_http_is_a_failure() -> None:
    def hello(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"220 mail.example ready\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=hello, args=(listener,))
        answering.start()
        with pytest.raises(Failure, match="220 mail"):
            healthcheck(Namespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        answering.join(10)


def test_an_answer_that_is_no_200_is_a_failure(serve: Any) -> None:
    with pytest.raises(Failure, match="Not Found"):
        healthcheck(Namespace(url=serve().url + "/nothing"))
