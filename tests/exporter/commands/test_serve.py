"""`vedette serve` and `vedette check`, as processes."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
import requests

from exporter.commands import Failure
from exporter.commands.healthcheck import healthcheck
from tests.exporter.certificates import Authority
from tests.exporter.conftest import ROOT, Process, is_one_line, samples, session

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


def test_every_inference_is_in_the_minutes_of_the_history_once_after_a_kill(
    run: Run, free_port: int, http: requests.Session, tmp_path: Path
) -> None:
    (tmp_path / "vedette.yml").write_text(f"models: [{{name: m}}]\nhistory: {{url: 'sqlite:///{tmp_path}/h.db'}}\n")
    url = f"http://127.0.0.1:{free_port}"
    sample = {"model_id": "m", "model_type": "llm", "latency": 20.0, "resource_usage": {"gpu_memory": 0.5}}

    def serve_and_push(first: int, end: int) -> None:
        process = run("serve", "--config.file=vedette.yml", f"--web.listen-address=127.0.0.1:{free_port}")
        until_ready(http, url)
        for number in range(first, first + 3):
            answer = http.post(f"{url}/api/v1/metrics/inference", json=sample | {"request_id": f"r-{number}"})
            assert answer.status_code == 201
        assert http.post(f"{url}/detect", json={"model": "m", "input": "a", "output": [0.9, 0.1]}).status_code == 200
        assert samples(http.get(f"{url}/metrics").text)['vedette_inferences_total{model="m"}'] == first + 4
        process.signal(end)
        assert process.finish()[0] == (0 if end == signal.SIGTERM else -end)

    serve_and_push(0, signal.SIGKILL)
    serve_and_push(4, signal.SIGTERM)
    with sqlite3.connect(tmp_path / "h.db") as database:
        [sums] = database.execute("select sum(queries), sum(latency_count), sum(gpu_memory_count) from vedette_rollups")
    assert sums == (8, 6, 6)


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
    while 'vedette_queries_total{model="before"}' not in samples(http.get(url).text):  # until the past is back
        pass
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


def test_it_serves_https_to_clients_with_a_certificate(
    run: Run, free_port: int, http: requests.Session, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    authority.issue("server")
    files = "cert_file: server.crt, key_file: server.key, client_ca_file: authority.pem"
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{{files}, client_auth_type: RequireAndVerifyClientCert}}\n")
    address = f"127.0.0.1:{free_port}"
    process = run("serve", "--web.listen-address", address, "--web.config.file", str(web))
    http.mount("https://", http.get_adapter("http://"))
    client = tuple(map(str, authority.issue("client")))
    page = http.get(f"https://{address}/metrics", verify=str(authority.ca), cert=client)
    assert samples(page.text)["vedette_web_config_last_reload_successful"] == 1
    assert http.post(
        f"https://{address}/detect", json={"input": "a", "output": [1, 0]}, verify=str(authority.ca), cert=client
    ).ok
    with requests.Session() as strange, pytest.raises(requests.ConnectionError):
        strange.get(f"https://{address}/-/ready", verify=str(authority.ca))
    with requests.Session() as plain, pytest.raises(requests.ConnectionError):
        plain.get(f"http://{address}/-/ready")
    with pytest.raises(Failure):
        healthcheck(Namespace(url=f"https://{address}", key_file=None))
    web.write_text("tls_server_config: {}\n")
    page = http.get(f"https://{address}/metrics", verify=str(authority.ca), cert=client)
    assert samples(page.text)["vedette_web_config_last_reload_successful"] == 0
    http.close()  # a client that does not answer the farewell is waited for
    process.signal(signal.SIGTERM)
    code, _, err = process.finish()
    assert code == 0
    assert "Traceback" not in err
    assert f"{web}:1: tls_server_config.cert_file: missing" in err


def test_passwords_and_headers_hold_over_https_and_the_health_check_needs_none(
    run: Run, free_port: int, http: requests.Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    authority.issue("server")
    web = tmp_path / "web.yml"
    web.write_text(f"""
tls_server_config: {{cert_file: server.crt, key_file: server.key}}
http_server_config: {{http2: true, headers: {{Strict-Transport-Security: max-age=31536000}}}}
basic_auth_users: {{alice: {bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}}}
""")
    address = f"127.0.0.1:{free_port}"
    process = run("serve", "--web.listen-address", address, "--web.config.file", str(web))
    http.mount("https://", http.get_adapter("http://"))
    for auth, status in ((("alice", "right"), 200), (("alice", "wrong"), 401), (None, 401)):
        answer = http.get(f"https://{address}/metrics", auth=auth, verify=str(authority.ca))
        assert (answer.status_code, answer.headers["strict-transport-security"]) == (status, "max-age=31536000")
    healthcheck(Namespace(url=f"https://{address}", key_file=None))
    assert capsys.readouterr().out == "healthy\n"
    http.close()  # a client that does not answer the farewell is waited for
    process.signal(signal.SIGTERM)
    code, _, err = process.finish()
    assert code == 0
    assert "HTTP/2 is not spoken" in err


@pytest.mark.parametrize("arguments", [("serve",), ("serve", "--config.check"), ("check",)])
def test_a_bad_web_configuration_is_told_in_one_line_and_exits_1(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    web = tmp_path / "web.yml"
    web.write_text("\ntls_server_config: {cert_file: a.crt}\n")
    code, out, err = run(*arguments, "--web.config.file", str(web)).finish()
    assert (code, out) == (1, "")
    assert is_one_line(err)
    assert err.startswith(f"{web}:2: tls_server_config.key_file: missing, expected the name of a file")


def test_a_good_web_configuration_is_said_to_be_good_and_warned_of(run: Run, tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text("http_server_config: {http2: true}\n")
    code, out, err = run("check", "--web.config.file", str(web)).finish()
    assert (code, err) == (0, "")
    assert f"{web}: warning: http_server_config.http2 is true, but HTTP/2 is not spoken" in out
    assert f"{web}: the web configuration is good\n" in out


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


def test_a_key_file_that_is_wrong_keeps_the_service_from_starting(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "keys.json").write_text("nonsense")
    program = [sys.executable, "-m", "exporter", "serve", "--web.listen-address", "127.0.0.1:0"]
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, cwd=tmp_path, env=where, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("vedette: state/keys.json holds no list of keys: ")
    assert is_one_line(done.stderr)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder to which nobody can write, root included."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o500)
    mounted = os.geteuid() == 0
    if mounted:
        if subprocess.call(["mount", "--bind", str(folder), str(folder)]):
            pytest.skip("root that may write everywhere and mount nothing")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)
    folder.chmod(0o700)


def test_a_state_folder_that_cannot_be_written_is_told_in_one_line_and_exits_1(
    run: Run, tmp_path: Path, read_only: Path
) -> None:
    (tmp_path / "vedette.yml").write_text(f"storage: {{path: {read_only}}}\n")
    code, _, err = run("serve", "--config.file", "vedette.yml", "--web.listen-address", "127.0.0.1:0").finish()
    assert code == 1
    assert is_one_line(err)
    assert err.startswith(f"vedette: storage.path: {read_only}/")


def test_counters_of_inferences_go_on_after_kill_9(run: Run, free_port: int, http: requests.Session) -> None:
    url = f"http://127.0.0.1:{free_port}"
    model = {"id": "m", "name": "M", "model_type": "llm", "prices": {"request": 0.001}}
    sent = []
    for life in range(3):
        process = run("serve", "--web.listen-address", f"127.0.0.1:{free_port}")
        until_ready(http, url)
        before = samples(http.get(f"{url}/metrics").text)
        assert before.get('vedette_inferences_total{model="m"}', 0) == len(sent)
        assert http.post(f"{url}/api/v1/models", json=model).status_code == 201
        for number in range(20):
            sent.append(
                {"model_id": "m", "model_type": "llm", "request_id": f"{life}-{number}", "latency": 0.1 + number}
            )
            assert http.post(f"{url}/api/v1/metrics/inference", json=sent[-1]).status_code == 201
        process.signal(signal.SIGKILL)  # what was acknowledged is on the disk, counted or not
        process.finish()
    process = run("serve", "--web.listen-address", f"127.0.0.1:{free_port}")
    until_ready(http, url)
    assert http.post(f"{url}/api/v1/metrics/inference", json=sent).status_code == 201  # retries count nothing
    after = samples(http.get(f"{url}/metrics").text)
    seconds = sum(sample["latency"] for sample in sent) / 1000
    assert after['vedette_inference_duration_seconds_sum{model="m"}'] == pytest.approx(seconds, abs=1e-12)
    assert after['vedette_inferences_total{model="m"}'] == after['vedette_inference_duration_seconds_count{model="m"}']
    assert (after['vedette_inferences_total{model="m"}'], after['vedette_cost_dollars_total{model="m"}']) == (60, 0.06)
    assert after["vedette_counter_epoch_timestamp_seconds"] == before["vedette_counter_epoch_timestamp_seconds"]


LEARNED = """anomalies:
  prometheus: {url: http://127.0.0.1:9, retries: 0}
  queries: [{name: good, expr: up}, {name: total, expr: 'sum(rate(foo[5m])'}, {name: answer, expr: '42'}]
"""


def test_expressions_that_cannot_be_learned_are_named_and_the_rest_is_served(
    run: Run, free_port: int, http: requests.Session, tmp_path: Path
) -> None:
    (tmp_path / "v.yml").write_text(LEARNED)
    url = f"http://127.0.0.1:{free_port}"
    process = run("serve", "--config", str(tmp_path / "v.yml"), "--web.listen-address", f"127.0.0.1:{free_port}")
    until_ready(http, url)
    detailed: dict[str, dict[str, dict[str, str]]] = {}
    while "unhealthy" not in (detailed.get("queries", {}).get("answer", {}).get("status") or ""):
        detailed = http.get(f"{url}/api/v1/health/detailed").json()
    process.signal(signal.SIGTERM)
    code, _, err = process.finish()
    assert code == 0
    assert detailed["queries"]["total"]["error"].startswith("total: not PromQL: ")
    assert f"{tmp_path}/v.yml:3: anomalies.queries[1].expr: total: not PromQL: " in err
    assert f"{tmp_path}/v.yml:3: anomalies.queries[2].expr: answer: expected an expression that gives series" in err


def test_the_check_calls_expressions_wrong_that_cannot_be_learned(run: Run, tmp_path: Path) -> None:
    (tmp_path / "v.yml").write_text(LEARNED)
    code, _, err = run("check", "--config", str(tmp_path / "v.yml")).finish()
    assert (code, [line.split(": ")[:3] for line in err.splitlines()]) == (
        1,
        [
            [f"{tmp_path}/v.yml:3", "anomalies.queries[1].expr", "total"],
            [f"{tmp_path}/v.yml:3", "anomalies.queries[2].expr", "answer"],
        ],
    )
