"""`vedette serve` and `vedette check`, as processes."""

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.exporter.conftest import Process, is_one_line, samples, session

Run = Callable[..., Process]


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with session() as opened:
        yield opened


def until_ready(http: requests.Session, url: str) -> None:
    """Wait until the state is back."""
    while http.get(f"{url}/-/ready").status_code != 200:
        assert http.get(f"{url}/-/healthy").status_code == 200


def test_it_serves_until_it_is_told_to_stop_and_exits_0(run: Run, free_port: int, http: requests.Session) -> None:
    url = f"http://127.0.0.1:{free_port}"
    process = run("serve", "--web.listen-address", f"127.0.0.1:{free_port}")
    until_ready(http, url)
    assert http.get(f"{url}/-/ready").text == "ready\n"
    answer = http.post(f"{url}/detect", json={"input": "a", "output": [0.5, 0.5]})
    assert answer.status_code == 200
    assert answer.json()["metadata"]["detector"] == "confidence"
    assert samples(http.get(f"{url}/metrics").text)['vedette_queries_total{model="default"}'] == 1
    with socket.create_connection(("127.0.0.1", free_port)) as idle:  # a kept connection holds nothing up
        idle.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        process.signal(signal.SIGTERM)
        code, out, err = process.finish()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert f"127.0.0.1:{free_port}" in err


def test_a_sender_in_mid_body_does_not_keep_it_from_stopping(run: Run, free_port: int, http: requests.Session) -> None:
    process = run("serve", "--web.listen-address", f"127.0.0.1:{free_port}")
    until_ready(http, f"http://127.0.0.1:{free_port}")
    with socket.create_connection(("127.0.0.1", free_port)) as slow:
        slow.sendall(b"POST /api/v1/queries HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        http.get(f"http://127.0.0.1:{free_port}/-/ready")
        process.signal(signal.SIGTERM)
        code, _, err = process.finish()
    assert code == 0
    assert "Traceback" not in err


def test_a_hangup_reads_the_file_again(run: Run, free_port: int, http: requests.Session, tmp_path: Path) -> None:
    file = tmp_path / "vedette.yml"
    file.write_text("models: [{name: before}]\n")
    url = f"http://127.0.0.1:{free_port}/metrics"
    process = run("serve", "--config.file", str(file), "--web.listen-address", f"127.0.0.1:{free_port}")
    assert 'vedette_queries_total{model="before"}' in samples(http.get(url).text)
    file.write_text("models: [{name: after}]\n")
    process.signal(signal.SIGHUP)
    while 'vedette_queries_total{model="after"}' not in samples(http.get(url).text):
        pass
    file.write_text("modles: []\n")
    process.signal(signal.SIGHUP)
    while samples(http.get(url).text)["vedette_config_last_reload_successful"]:
        pass
    assert 'vedette_queries_total{model="after"}' in samples(http.get(url).text)
    process.signal(signal.SIGTERM)
    assert process.finish()[0] == 0


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_bad_configuration_is_told_in_one_line_and_exits_1(run: Run, tmp_path: Path, command: str) -> None:
    file = tmp_path / "vedette.yml"
    file.write_text("defaults:\n  detektors: []\n")
    code, out, err = run(command, "--config.file", str(file)).finish()
    assert (code, out) == (1, "")
    assert is_one_line(err)
    assert err.startswith(f"{file}:2: defaults.detektors: ")  # nothing before the place: editors and CI jump to it


@pytest.mark.parametrize("arguments", [("check",), ("serve", "--config.check"), ("check", "--config")])
def test_a_good_configuration_is_said_to_be_good(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "vedette.yml"
    file.write_text("")
    given = (*arguments, str(file)) if arguments[-1] == "--config" else arguments
    code, out, err = run(*given).finish()
    assert (code, err) == (0, "")
    assert out.endswith(": the configuration is good\n")


def test_a_taken_port_is_told_in_one_line_and_exits_1(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run("serve", "--web.listen-address", address).finish()
    assert (code, out) == (1, "")
    assert err == f"vedette: cannot listen on {address}: Address already in use\n"


def test_an_address_of_another_machine_is_told_in_one_line_and_exits_1(run: Run) -> None:
    code, _, err = run("serve", "--web.listen-address", "192.0.2.1:10833").finish()
    assert code == 1
    assert is_one_line(err)
    assert "cannot listen on 192.0.2.1:10833" in err
