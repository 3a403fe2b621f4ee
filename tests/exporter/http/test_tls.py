"""TLS with real clients: who gets in, with what, and what happens when files change."""

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from exporter.config_file import ConfigError
from exporter.http.tls import WebFile
from exporter.http.web_config import CURVES, SUITES
from tests.exporter.certificates import Authority, serial, serial_of

Shake = Callable[..., "Shaken"]
CLIENT_AUTH = "client_ca_file: authority.pem\n  client_auth_type: "


class Shaken:
    """What a client learnt of a connection that was made, and used."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.serial = serial(connection.getpeercert(binary_form=True) or b"")
        self.version = connection.version()
        self.suite = (connection.cipher() or ("",))[0]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue("server")
    return made


@pytest.fixture
def write(tmp_path: Path, authority: Authority) -> Callable[..., Path]:
    """Write a web file whose TLS section has the server's certificate and more lines."""

    def web_file(more: str = "") -> Path:
        path = tmp_path / "web.yml"
        path.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  {more}\n")
        return path

    return web_file


class Listener:
    """A server on the loop that the exporter runs on: it says hello to whoever gets in."""

    def __init__(self, web: WebFile) -> None:
        self._loop = uvloop.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: None)  # refused clients are what is tested
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(web, started))
        self._thread.start()
        started.wait(10)

    def _run(self, web: WebFile, started: threading.Event) -> None:
        async def main() -> None:
            self._stop = asyncio.Event()
            server = await asyncio.start_server(_hello, "127.0.0.1", 0, ssl=web.server_context())
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            async with server:
                await self._stop.wait()

        self._loop.run_until_complete(main())
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


async def _hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


@pytest.fixture
def listen() -> Iterator[Callable[[WebFile], int]]:
    """Listen with a web file; the port."""
    running = []

    def start(web: WebFile) -> int:
        running.append(Listener(web))
        return int(running[-1].port)

    yield start
    for listener in running:
        listener.stop()


@pytest.fixture
def shake(authority: Authority) -> Shake:
    """Connect as a client that trusts the authority. Raises SSLError or ConnectionError when it is not let in."""

    def connect(port: int, certificate: tuple[Path, Path] | None = None, **settings: object) -> Shaken:
        context = ssl.create_default_context(cafile=str(authority.ca))
        if certificate:
            context.load_cert_chain(*certificate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what an old client asks for
            for name, value in settings.items():
                context.set_ciphers(str(value)) if name == "ciphers" else setattr(context, name, value)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            # with TLS 1.3 a client learns only at its first reading that its certificate was refused
            if connection.recv(10) != b"hello":
                raise ConnectionError("hung up without a word")
            return Shaken(connection)

    return connect


@pytest.mark.parametrize(
    ("client_auth", "without", "known", "strange"),
    [
        ("", True, True, True),
        ("client_auth_type: NoClientCert", True, True, True),
        ("client_auth_type: RequestClientCert", True, True, True),
        (CLIENT_AUTH + "VerifyClientCertIfGiven", True, True, False),
        (CLIENT_AUTH + "RequireAndVerifyClientCert", False, True, False),
    ],
)
def test_clients_get_in_by_their_certificates(
    write: Callable[..., Path],
    listen: Callable[[WebFile], int],
    shake: Shake,
    authority: Authority,
    tmp_path: Path,
    client_auth: str,
    without: bool,
    known: bool,
    strange: bool,
) -> None:
    port = listen(WebFile(write(client_auth)))
    stranger = Authority(tmp_path, "stranger").issue("strange-client")
    for certificate, allowed in ((None, without), (authority.issue("client"), known), (stranger, strange)):
        if allowed:
            shake(port, certificate)
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                shake(port, certificate)


@pytest.mark.parametrize(
    ("section", "client", "spoken"),
    [
        ("", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        ("", ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        ("", ssl.TLSVersion.TLSv1_1, None),
        ("min_version: TLS10", ssl.TLSVersion.TLSv1_1, None),
        ("min_version: TLS13", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        ("min_version: TLS13", ssl.TLSVersion.TLSv1_2, None),
        ("max_version: TLS12", ssl.TLSVersion.TLSv1_3, "TLSv1.2"),
    ],
)
def test_a_version_below_the_least_is_refused(
    write: Callable[..., Path],
    listen: Callable[[WebFile], int],
    shake: Shake,
    section: str,
    client: ssl.TLSVersion,
    spoken: str | None,
) -> None:
    port = listen(WebFile(write(section)))
    settings: dict[str, object] = {"maximum_version": client}
    if client < ssl.TLSVersion.TLSv1_2:
        settings = {"ciphers": "ALL:@SECLEVEL=0", "minimum_version": client, **settings}
    if spoken is None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shake(port, **settings)
    else:
        assert shake(port, **settings).version == spoken


def test_only_the_suites_of_the_file_are_spoken_below_tls_13(
    write: Callable[..., Path], listen: Callable[[WebFile], int], shake: Shake
) -> None:
    port = listen(WebFile(write("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]")))
    assert shake(port, maximum_version=ssl.TLSVersion.TLSv1_2).suite == "ECDHE-ECDSA-AES256-GCM-SHA384"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(port, maximum_version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")


@pytest.mark.parametrize(("prefer", "first"), [("true", "AES256"), ("false", "AES128")])
def test_the_order_of_suites_is_the_servers_or_the_clients(
    write: Callable[..., Path], listen: Callable[[WebFile], int], shake: Shake, prefer: str, first: str
) -> None:
    suites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    port = listen(WebFile(write(f"cipher_suites: [{suites}]\n  prefer_server_cipher_suites: {prefer}")))
    asked = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    assert first in shake(port, maximum_version=ssl.TLSVersion.TLSv1_2, ciphers=asked).suite


@pytest.mark.parametrize("curve", ["CurveP256", "CurveP384", "CurveP521", "X25519"])
def test_each_curve_can_be_the_only_one(
    write: Callable[..., Path], listen: Callable[[WebFile], int], shake: Shake, curve: str
) -> None:
    assert shake(listen(WebFile(write(f"curve_preferences: [{curve}]")))).version == "TLSv1.3"


@pytest.mark.parametrize(
    ("table", "name", "key"),
    [
        (SUITES, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "cipher_suites"),
        (CURVES, "CurveP521", "curve_preferences"),
    ],
)
def test_what_this_openssl_does_not_have_is_told(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    table: dict[str, str],
    name: str,
    key: str,
) -> None:
    monkeypatch.setitem(table, name, "NOT-IN-ANY-OPENSSL")
    with pytest.raises(ConfigError, match=rf":4: tls_server_config\.{key}: the OpenSSL of this machine does not"):
        WebFile(write(f"{key}: [{name}]"))


# -- files that change


def test_a_certificate_that_is_replaced_is_served_to_the_next_connection(
    write: Callable[..., Path], listen: Callable[[WebFile], int], shake: Shake, authority: Authority
) -> None:
    web = WebFile(write())
    port = listen(web)
    first = shake(port).serial
    certificate, _ = authority.issue("server")
    assert first != shake(port).serial == serial_of(certificate)
    assert web.looks_good()


def test_who_needs_a_certificate_can_change_without_a_restart(
    write: Callable[..., Path], listen: Callable[[WebFile], int], shake: Shake, caplog: pytest.LogCaptureFixture
) -> None:
    web = WebFile(write())
    port = listen(web)
    shake(port)
    write(CLIENT_AUTH + "RequireAndVerifyClientCert")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(port)
    write("min_version: TLS10")
    assert shake(port).version == "TLSv1.3"
    assert "tls_server_config.min_version is TLS10, but" in caplog.text


@pytest.mark.parametrize("broken", ["certificate", "key", "missing", "web file", "no web file", "no TLS any more"])
def test_what_cannot_be_used_leaves_the_old_in_place_until_it_is_mended(
    write: Callable[..., Path],
    listen: Callable[[WebFile], int],
    shake: Shake,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    path = write()
    web = WebFile(path)
    port = listen(web)
    before = shake(port).serial
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    {
        "certificate": lambda: certificate.write_text("nothing"),
        "key": lambda: authority.issue("other")[1].replace(key),
        "missing": lambda: certificate.unlink(),
        "web file": lambda: path.write_text("tls: {}"),
        "no web file": lambda: path.unlink(),
        "no TLS any more": lambda: path.write_text(""),
    }[broken]()
    assert shake(port).serial == before
    assert not web.looks_good()
    shake(port)
    assert caplog.text.count("the web configuration was not reloaded") == 1
    authority.issue("server")
    write()
    assert shake(port).serial == serial_of(certificate) != before
    assert web.looks_good()


def test_a_certificate_that_comes_after_the_file_that_names_it_is_found(
    write: Callable[..., Path], authority: Authority, tmp_path: Path
) -> None:
    path = write()
    web = WebFile(path)
    path.write_text("tls_server_config: {cert_file: new.crt, key_file: new.key}")
    assert not web.looks_good()
    authority.issue("new")
    assert web.looks_good()
    assert web.current().config.tls_server_config.cert_file == str(tmp_path / "new.crt")


def test_tls_does_not_begin_without_a_restart(write: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("")
    web = WebFile(path)
    assert web.server_context() is None
    write()
    assert (web.looks_good(), web.current().context) == (False, None)


# -- what is told of files that cannot be used at the start


@pytest.mark.parametrize(
    ("files", "place", "reason"),
    [
        ({"server.crt": None}, "2: tls_server_config.cert_file", "server.crt cannot be read: No such file"),
        ({"server.key": None}, "3: tls_server_config.key_file", "server.key cannot be read: No such file"),
        ({"server.crt": "nothing"}, "2: tls_server_config.cert_file", "expected a certificate in PEM form and"),
        ({"authority.pem": None}, "4: tls_server_config.client_ca_file", "authority.pem cannot be read: No such file"),
        ({"authority.pem": "x"}, "4: tls_server_config.client_ca_file", "expected certificates in PEM form: "),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_place(
    write: Callable[..., Path], tmp_path: Path, files: dict[str, str | None], place: str, reason: str
) -> None:
    path = write(CLIENT_AUTH + "RequireAndVerifyClientCert")
    for name, content in files.items():
        (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError) as error:
        WebFile(path)
    [problem] = error.value.problems
    assert str(problem).startswith(f"{path}:{place}: ")
    assert reason in problem.text


@pytest.mark.parametrize(("password", "reason"), [(None, "key values mismatch"), (b"secret", "the key has a password")])
def test_a_key_that_does_not_open_the_certificate_is_told(
    write: Callable[..., Path], authority: Authority, tmp_path: Path, password: bytes | None, reason: str
) -> None:
    path = write()
    certificate, key = authority.issue("other", password)
    key.replace(tmp_path / "server.key")
    if password:
        certificate.replace(tmp_path / "server.crt")
    with pytest.raises(ConfigError, match=reason):
        WebFile(path)
