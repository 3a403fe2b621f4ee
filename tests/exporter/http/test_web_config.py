"""The web configuration file: what is accepted, and the exact text for everything that is not."""

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config_file import ConfigError
from exporter.http.tls import WebFile
from exporter.http.web_config import HEADERS, SUITES, WebConfig, read, warnings

PAGE = (Path(__file__).parents[3] / "docs" / "tls.md").read_text()
HASH = "$2y$04$" + "a" * 53
TLS = "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


def problems(file: Path, text: str) -> list[str]:
    """All that is wrong, with the file's name left out."""
    file.write_text(text)
    return [str(problem).removeprefix(f"{file}:") for problem in read(file).document.problems]


def good(file: Path, text: str) -> WebConfig:
    assert problems(file, text) == []
    return read(file).config


@pytest.mark.parametrize("text", ["", "~", "{}", "tls_server_config:\nbasic_auth_users:\nhttp_server_config: {}\n"])
def test_an_empty_file_asks_for_nothing(file: Path, text: str) -> None:
    config = good(file, text)
    assert config == WebConfig()
    assert not config.knows_who_asks


def test_every_key_is_read(file: Path) -> None:
    config = good(
        file,
        f"""
tls_server_config:
  cert_file: certs/a.crt
  key_file: /etc/a.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers: {{X-Frame-Options: deny, Cache-Control: no-store, X-XSS-Protection: ""}}
basic_auth_users:
  alice: {HASH}
""",
    )
    tls = config.tls_server_config
    assert tls is not None
    assert tls.files == (str(file.parent / "certs/a.crt"), "/etc/a.key", str(file.parent / "ca.pem"))
    assert tls.cipher_suites == ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256")
    assert (tls.prefer_server_cipher_suites, tls.curve_preferences) == (False, ("CurveP256",))
    assert config.http_server_config.headers.values == {"X-Frame-Options": "deny", "Cache-Control": "no-store"}
    assert config.basic_auth_users.hashes == {"alice": HASH}
    assert warnings(config) == []


def test_hashes_are_in_no_text_about_the_configuration(file: Path) -> None:
    config = good(file, f"basic_auth_users: {{alice: {HASH}}}")
    assert HASH not in repr(config)
    assert "BasicAuthUsers(1 users)" in repr(config)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (TLS, False),
        (TLS + "  client_ca_file: ca\n  client_auth_type: VerifyClientCertIfGiven", False),
        (TLS + "  client_ca_file: ca\n  client_auth_type: RequireAndVerifyClientCert", True),
        (f"basic_auth_users: {{a: {HASH}}}", True),
    ],
)
def test_who_asks_is_known_by_a_password_or_a_required_certificate(file: Path, text: str, known: bool) -> None:
    assert good(file, text).knows_who_asks is known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "tls_server: {}",
            "1: tls_server: unknown key; known: basic_auth_users, http_server_config, tls_server_config;"
            " did you mean tls_server_config?",
        ),
        ("tls_server_config: {cert_file: a}", "1: tls_server_config.key_file: missing, expected the name of a file"),
        ("tls_server_config: on", "1: tls_server_config: expected a mapping, got true"),
        (
            TLS + "  client_auth_type: Always",
            "4: tls_server_config.client_auth_type: expected one of NoClientCert, RequestClientCert, "
            "RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert, got 'Always'",
        ),
        (
            TLS + "  client_auth_type: RequireAnyClientCert",
            "4: tls_server_config.client_auth_type: Python's ssl takes no certificate that it does not verify, "
            "expected RequireAndVerifyClientCert",
        ),
        (
            TLS + "  client_auth_type: VerifyClientCertIfGiven",
            "4: tls_server_config.client_auth_type: VerifyClientCertIfGiven needs client_ca_file, "
            "against which to verify",
        ),
        (
            TLS + "  client_ca_file: ca.pem",
            "4: tls_server_config.client_ca_file: of no use without client_auth_type, "
            "expected VerifyClientCertIfGiven or RequireAndVerifyClientCert",
        ),
        (
            TLS + "  min_version: 1.2",
            "4: tls_server_config.min_version: expected one of TLS10, TLS11, TLS12, TLS13, got 1.2",
        ),
        (
            TLS + "  max_version: TLS11",
            "4: tls_server_config.max_version: nothing below TLS12 is spoken, expected one of TLS12, TLS13",
        ),
        (
            TLS + "  min_version: TLS13\n  max_version: TLS12",
            "4: tls_server_config.min_version: TLS13 is above max_version TLS12",
        ),
        (
            TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]",
            "4: tls_server_config.cipher_suites: holds only suites of TLS 1.3: expected min_version TLS13 with them",
        ),
        (
            TLS + "  curve_preferences: [X25519, CurveP256]",
            "4: tls_server_config.curve_preferences: Python's ssl can be given one curve, expected one, "
            "or none for all",
        ),
        (
            "http_server_config:\n  headers:\n    Server: x",
            "3: http_server_config.headers.Server: unknown header; known: Cache-Control, Content-Security-Policy, "
            "Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection",
        ),
        (
            'http_server_config:\n  headers:\n    Cache-Control: "a\\r\\nSet-Cookie: b"',
            "3: http_server_config.headers.Cache-Control: expected a text of printable ASCII characters, "
            "got 'a\\r\\nSet-Cookie: b'",
        ),
        (
            "http_server_config:\n  headers:\n    X-XSS-Protection: 1",
            "3: http_server_config.headers.X-XSS-Protection: expected a text of printable ASCII characters, got 1"
            "; put it in quotes",
        ),
        ("http_server_config:\n  headers: []", "2: http_server_config.headers: expected a mapping, got a list"),
        (
            "basic_auth_users:\n  alice: hunter2",
            "2: basic_auth_users.alice: expected the bcrypt hash of a password, as `htpasswd -nBC 10 USER` prints it "
            "after the colon",
        ),
        (
            f"basic_auth_users:\n  alice: {HASH.replace('$04$', '$31$')}",
            "2: basic_auth_users.alice: expected a bcrypt hash with a cost of 4 to 16, got 31",
        ),
        (
            f'basic_auth_users:\n  "a:b": {HASH}',
            "2: basic_auth_users.a:b: expected the name of a user, without a colon",
        ),
        (
            f"basic_auth_users:\n  a: {HASH}\n  a: {HASH}",
            "3: basic_auth_users.a: duplicate key, first on line 2",
        ),
    ],
)
def test_what_is_wrong_is_told_with_line_key_and_what_was_expected(file: Path, text: str, expected: str) -> None:
    assert problems(file, text) == [expected]


@pytest.mark.parametrize(
    ("suite", "got"), [("TLS_RSA_WITH_RC4_128_SHA", "'TLS_RSA_WITH_RC4_128_SHA'"), ("[a]", "a list")]
)
def test_an_unknown_suite_is_told(file: Path, suite: str, got: str) -> None:
    assert problems(file, f"{TLS}  cipher_suites:\n  - {suite}\n") == [
        f"5: tls_server_config.cipher_suites[0]: expected a cipher suite that docs/tls.md lists, got {got}"
    ]


def test_every_suite_and_header_is_on_the_page() -> None:
    assert [name for name in (*SUITES, *HEADERS) if f"`{name}`" not in PAGE] == []


def test_the_example_of_the_page_is_good(file: Path) -> None:
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    assert good(file, example).basic_auth_users.hashes.keys() == {"prometheus"}


def test_everything_that_is_wrong_is_found_at_once(file: Path) -> None:
    found = problems(file, "tls_server_config: {}\nhttp_server_config: {http3: true}\nbasic_auth_users: {a: b}\n")
    assert [problem.split(": ")[1] for problem in found] == [
        "tls_server_config.cert_file",
        "tls_server_config.key_file",
        "http_server_config.http3",
        "basic_auth_users.a",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            TLS + "  min_version: TLS10",
            "tls_server_config.min_version is TLS10, but nothing below TLS12 is spoken",
        ),
        (
            TLS + "  client_auth_type: RequestClientCert",
            "tls_server_config.client_auth_type is RequestClientCert, but certificates that are not verified are not "
            "asked for: this is as NoClientCert",
        ),
        (
            "http_server_config: {http2: true}",
            "http_server_config.http2 is true, but HTTP/2 is not spoken: clients get HTTP/1.1",
        ),
    ],
)
def test_what_is_done_differently_is_warned_of(file: Path, text: str, expected: str) -> None:
    assert warnings(good(file, text)) == [expected]


def test_a_file_that_cannot_be_read_is_told(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"web\.yml: cannot be read: No such file or directory"):
        read(file)


def test_what_the_environment_gives_is_read(file: Path) -> None:
    file.write_text("basic_auth_users: {alice: '${HASH}'}")
    assert read(file, {"HASH": HASH}).config.basic_auth_users.hashes == {"alice": HASH}


_keys = st.sampled_from(
    [
        *("tls_server_config", "http_server_config", "basic_auth_users", "cert_file", "key_file", "min_version"),
        *("client_auth_type", "cipher_suites", "curve_preferences", "headers", "http2", *HEADERS),
    ]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([HASH, "TLS13"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys | st.text(max_size=5), inner, max_size=4),
)


@given(_values.map(lambda tree: yaml.safe_dump(tree).encode()) | st.binary(max_size=60))
@settings(deadline=None, max_examples=300)
def test_garbage_gives_a_configuration_or_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("web") / "web.yml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert isinstance(WebFile(path).current().config, WebConfig)
