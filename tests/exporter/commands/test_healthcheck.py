"""`vedette healthcheck`."""

import socket
import threading
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.access import keys
from exporter.commands import Failure
from exporter.commands.healthcheck import healthcheck
from tests.exporter.conftest import Exporter, session


def test_a_running_exporter_is_well(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    exporter: Exporter = serve()
    for url in (exporter.url, exporter.url + "/"):
        healthcheck(Namespace(key_file=None, url=url))
        assert capsys.readouterr().out == "healthy\n"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://127.0.0.1:{port}/x y", "nonsense", "ftp://127.0.0.1/", ""]
)
def test_what_does_not_answer_is_a_failure_that_names_the_address(free_port: int, url: str) -> None:
    url = url.format(port=free_port)
    with pytest.raises(Failure) as failure:
        healthcheck(Namespace(key_file=None, url=url))
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
            healthcheck(Namespace(key_file=None, url=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        answering.join(10)


def test_an_answer_that_is_no_200_is_a_failure(serve: Any) -> None:
    with pytest.raises(Failure, match="Not Found"):
        healthcheck(Namespace(key_file=None, url=serve().url + "/nothing"))


def test_where_health_is_closed_the_key_of_a_file_opens_it(
    free_port: int, run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.yml").write_text("access: {health: read, keys_file: keys.json}")
    _, secret = keys.create(
        str(tmp_path / "keys.json"), "read", models=None, seconds=None, name="", now=datetime.now(UTC)
    )
    (tmp_path / "key").write_text(secret + "\n")
    (tmp_path / "wrong").write_text("vedette_wrong")
    run("serve", "--config.file", "v.yml", "--web.listen-address", f"127.0.0.1:{free_port}")
    url = f"http://127.0.0.1:{free_port}"
    with session() as http:
        assert http.get(f"{url}/-/healthy").status_code == 401
    healthcheck(Namespace(url=url, key_file=str(tmp_path / "key")))
    assert capsys.readouterr().out == "healthy\n"
    for key_file in (None, str(tmp_path / "wrong")):
        with pytest.raises(Failure, match="Unauthorized"):
            healthcheck(Namespace(url=url, key_file=key_file))


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file or directory"), ("é", "holds no key")])
def test_a_key_that_cannot_be_read_is_a_failure_that_names_its_file(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Failure) as failure:
        healthcheck(Namespace(url="http://127.0.0.1:1", key_file=str(path)))
    assert str(failure.value) == f"{path}: {problem}"
