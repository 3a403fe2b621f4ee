"""What an attacker tries first, at a service of its own with keys and tokens, and a log that is read afterwards."""

import base64
import contextlib
import hmac
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.access import keys
from exporter.demo.processes import free_port
from exporter.version import VERSION
from soak.service import eventually

RSA_KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = RSA_KEY.public_key()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
QUERY = b'{"input":"a","output":[0.5,0.5]}'
MARK = "vedette_this_must_not_be_in_the_log"


class Victim:
    """A closed service, and what it says on the wire and in its log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        jwks = {"keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(PUBLIC)), "kid": "one"}]}
        (folder / "jwks.json").write_text(json.dumps(jwks))
        (folder / "v.yml").write_text(
            f"access: {{keys_file: {folder}/keys.json, jwt: {{jwks_file: {folder}/jwks.json}}, "
            f"failures_per_minute: 100000}}\nstorage: {{path: {folder}/state, sync: false}}"
        )
        made = {
            scope: keys.create(
                str(folder / "keys.json"), scope, models=None, seconds=None, name="", now=datetime.now(UTC)
            )
            for scope in keys.GRANTS
        }
        self.keys = {scope: secret for scope, (_, secret) in made.items()}
        self._log = (folder / "log").open("wb")
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(folder / "v.yml")]
        listen = ["--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "debug"]
        self.process = subprocess.Popen([*command, *listen], stderr=self._log)
        eventually("the service to be ready", self._is_ready)

    def _is_ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        return False

    def raw(self, data: bytes) -> bytes:
        """All that comes back until the service hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            received = b""
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
                while chunk := connection.recv(65536):
                    received += chunk
            return received

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    started = Victim(tmp_path_factory.mktemp("victim"))
    yield started
    started.stop()


def head(path: bytes, *lines: bytes, method: bytes = b"POST") -> bytes:
    return b"\r\n".join((method + b" " + path + b" HTTP/1.1", b"Host: x", *lines, b"", b""))


#: heads on which a proxy and a server may differ over where the body ends
AMBIGUOUS = {
    "two lengths": (b"Content-Length: 4", b"Content-Length: 40"),
    "a length and chunks": (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "chunks and something else": (b"Transfer-Encoding: chunked, identity",),
    "an unknown coding": (b"Transfer-Encoding: xchunked",),
    "a blank before the colon": (b"Transfer-Encoding : chunked",),
    "a signed length": (b"Content-Length: +4",),
    "a hexadecimal length": (b"Content-Length: 0x4",),
    "a negative length": (b"Content-Length: -4",),
    "a length beyond 64 bits": (b"Content-Length: 99999999999999999999",),
    "a list of lengths": (b"Content-Length: 4, 4",),
    "a folded header": (b"X: a", b" Content-Length: 4"),
    "a NUL in a header": (b"X: a\0b",),
    "a bare CR in a header": (b"X: a\rContent-Length: 4",),
}


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("path", [b"/detect", b"/api/v1/queries"])
def test_no_request_is_smuggled_in_the_body_of_another(victim: Victim, path: bytes, lines: tuple[bytes, ...]) -> None:
    inner = head(b"/-/healthy", b"Connection: close", method=b"GET")
    answer = victim.raw(head(path, b"X-API-Key: " + victim.keys["push"].encode(), *lines) + b"0\r\n\r\n" + inner)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), answer
    assert b"healthy" not in answer


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics/", "//metrics", "/./metrics", "/x/../docs", "/%6detrics/..", "/docs%2f..%2f", "/docs;a", "/DOCS"),
        *("/-/healthy/", "/-/healthy/../../docs", "/-/healthy%2f..%2f..%2fdocs", "/-/healthy%00", "/-/healthy;/docs"),
        *("/docs/static/../../etc/passwd", "/docs/static/%2e%2e/%2e%2e/setup.py", "/docs/static//etc/passwd"),
        *("http://other/docs", "http://other/-/healthy/x", "/openapi.json?/-/healthy", "*", "/docs#/-/healthy"),
    ],
)
@pytest.mark.parametrize("key", [None, "push", "read"])
def test_no_path_leads_past_the_gate_or_out_of_the_pages(victim: Victim, path: str, key: str | None) -> None:
    with_key = [] if key is None else [b"X-API-Key: " + victim.keys[key].encode()]
    answer = victim.raw(head(path.encode(), b"Connection: close", *with_key, method=b"GET"))
    status = int(answer.split()[1])
    assert status in {None: (400, 401), "push": (400, 403), "read": (200, 307, 400, 404)}[key], answer
    assert b"root:" not in answer
    assert b"setuptools" not in answer


def test_a_redirect_leads_to_no_other_host(victim: Victim) -> None:
    for path in (b"//evil.example/docs/", b"/docs/", b"//evil.example/.."):
        answer = victim.raw(
            head(path, b"Connection: close", b"X-API-Key: " + victim.keys["read"].encode(), method=b"GET")
        )
        location = re.search(rb"(?im)^location: (.*?)\r$", answer)
        assert location is None or b"evil" not in location[1]


def test_a_key_in_an_address_is_no_key_and_is_in_no_log(victim: Victim) -> None:
    for path in (f"/docs?key={MARK}", f"/docs?api_key={victim.keys['admin']}", f"/{MARK}", f"/detect?token={MARK}"):
        for method in ("GET", "POST"):
            assert requests.request(method, victim.url + path, timeout=20).status_code == 401
    requests.get(f"{victim.url}/docs", headers={"Authorization": f"Bearer {MARK}"}, timeout=20)
    requests.get(f"{victim.url}/docs", headers={"X-API-Key": f"{MARK}\xff"}, timeout=20)
    assert "vedette_" not in victim.log()


def token(key: Any, algorithm: str, **headers: Any) -> str:
    return jwt.encode({"exp": int(time.time()) + 600, "scope": "admin"}, key, algorithm, headers)


def forged(secret: bytes, **header: Any) -> str:
    """A token that is signed with a secret which is none, as no library would."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    claims = {"exp": int(time.time()) + 600, "scope": "admin"}
    text = b".".join(part(json.dumps(piece).encode()) for piece in ({"alg": "HS256", "typ": "JWT", **header}, claims))
    return b".".join((text, part(hmac.digest(secret, text, "sha256")))).decode()


def test_tokens_of_other_makers_are_not_taken(victim: Victim) -> None:
    good = token(RSA_KEY, "RS256", kid="one")
    other = rsa.generate_private_key(65537, 2048)
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(other.public_key()))
    wrong = [
        token(None, "none", kid="one"),
        forged(PEM, kid="one"),
        forged(b"", kid="one"),
        forged(b"", kid="/dev/null"),
        forged(b"", kid="../../../../dev/null"),
        token(other, "RS256", kid="one"),
        token(other, "RS256", kid="../keys.json"),
        token(other, "RS256", kid="one' OR '1'='1"),
        token(other, "RS256", kid="one", jwk=own),
        token(other, "RS256", kid="one", jku="http://127.0.0.1:1/jwks.json", x5u="http://127.0.0.1:1/"),
        good.rpartition(".")[0] + ".",
    ]
    statuses = {}
    for text in (good, *wrong):
        answer = requests.get(f"{victim.url}/docs", headers={"Authorization": f"Bearer {text}"}, timeout=20)
        statuses[text] = answer.status_code
    assert statuses == {good: 200, **dict.fromkeys(wrong, 401)}


def test_answers_tell_neither_version_nor_place(victim: Victim) -> None:
    key = {"X-API-Key": victim.keys["admin"]}
    answers = [
        requests.request(method, victim.url + path, headers=key, data=data, timeout=20)
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
        for path in ("/gone", "/detect", "/api/v1/queries", "/metrics", "/-/healthy", "/docs/static/gone.js")
        for data in (None, b"{", b"\xff")
        if (method, path) != ("GET", "/metrics")
    ]
    answers_of_garbage = [
        victim.raw(data) for data in (b"\0\0\0", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0\r\n\r\n")
    ]
    said = [f"{answer.headers}{answer.text}" for answer in answers] + [str(answer) for answer in answers_of_garbage]
    for text in said:
        assert not re.search(
            rf"uvicorn|python|starlette|fastapi|traceback|{re.escape(VERSION)}|{victim.folder}|site-packages",
            text,
            re.I,
        ), text
    assert {answer.status_code for answer in answers} <= {200, 400, 403, 404, 405, 422}


def test_no_secret_is_on_any_page_or_in_the_log(victim: Victim) -> None:
    key = {"X-API-Key": victim.keys["admin"]}
    pages = [
        requests.get(victim.url + path, headers=key, timeout=20).text
        for path in ("/", "/docs", "/openapi.json", "/metrics")
    ]
    secrets = [*victim.keys.values(), *(entry.hash for entry in keys.load(str(victim.folder / "keys.json")))]
    for secret in secrets:
        assert not any(secret in text for text in (*pages, victim.log()))


def test_a_line_in_a_name_is_no_line_of_the_log(victim: Victim) -> None:
    key = {"X-API-Key": victim.keys["push"]}
    name = "a\r\ntime=2026 level=error msg=forged"
    requests.post(
        f"{victim.url}/detect", headers=key, json={"input": "a", "model": name, "client": name, "id": name}, timeout=20
    )
    requests.post(f"{victim.url}/detect", headers={**key, "User-Agent": "x level=error"}, data=b"{", timeout=20)
    assert "forged" not in victim.log()
    page = requests.get(f"{victim.url}/metrics", timeout=20).text
    assert all(re.match(r"# |[a-z_]+(\{[^\r\n]*\})? \S+$", line) for line in page.splitlines())


def test_many_large_and_hostile_bodies_at_once_stay_within_bounds_and_let_others_through(victim: Victim) -> None:
    key = {"X-API-Key": victim.keys["push"]}
    bodies = [b'{"input":[' + b"0," * 4_000_000 + b"0]}", b"[" + b'{"input":""},' * 600_000 + b"{}]", b"[" * 8_000_000]
    before = resident(victim)

    def send(number: int) -> int:
        return requests.post(
            f"{victim.url}/api/v1/queries", headers=key, data=bodies[number % 3], timeout=60
        ).status_code

    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(send, number) for number in range(18)]
        while not all(one.done() for one in sent):
            assert requests.get(f"{victim.url}/-/healthy", timeout=20).text == "healthy\n"
    assert {one.result() for one in sent} <= {400, 413, 422, 429}
    assert resident(victim) - before < 768 << 20


def resident(victim: Victim) -> int:
    """The most that the process ever held, in bytes."""
    return int(Path(f"/proc/{victim.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
