"""The web configuration file: TLS, headers and passwords, in the format of the Prometheus exporter-toolkit.

`read` checks what can be seen in the text. `exporter.http.tls` loads the certificates that it names.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, NamedTuple, Self

import msgspec

from exporter.config.records import Form, Record, shown, unknown
from exporter.config.yaml_lines import Document, Path, Report
from exporter.config.yaml_lines import read as read_yaml
from exporter.config_file import text_of

#: the suites that the format knows, and what OpenSSL calls those of TLS 1.2; nobody can choose among those of 1.3
SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
#: the curves, and what OpenSSL calls them
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
#: the versions from the oldest to the newest; Python's OpenSSL speaks the last two
VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")
SPOKEN = VERSIONS[2:]
HEADERS = (
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
    "Cache-Control",
)
#: each step doubles the time of a check: at 16 it is some four seconds
MAX_BCRYPT_COST = 16
BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
HEADER_VALUE = re.compile(r"[ -~]+", re.ASCII)


def _suite(value: Any) -> Any:
    if not isinstance(value, str) or value not in SUITES:
        raise ValueError(value)
    return value


FileName = Annotated[str, msgspec.Meta(min_length=1), Form("the name of a file")]
Suite = Annotated[str, Form("a cipher suite that docs/tls.md lists", _suite)]
Curve = Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]
Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
ClientAuth = Literal[
    "NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
]
VERIFYING = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")


class TlsServerConfig(Record, frozen=True, kw_only=True):
    """How connections are encrypted, and which certificates clients show. Files are PEM."""

    cert_file: FileName
    key_file: FileName
    client_ca_file: FileName | None = None
    client_auth_type: ClientAuth = "NoClientCert"
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Suite, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Curve, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files it names."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


class Headers(Record, frozen=True, kw_only=True):
    """Headers of every answer. An empty value leaves the header out."""

    values: dict[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def read(cls, data: Any, path: Path, report: Report) -> Self:
        """The headers from a mapping of their names and values."""
        found = _good(data, path, report, _header_problem)
        return cls(values={name: value for name, value in found.items() if value})


class HttpServerConfig(Record, frozen=True, kw_only=True):
    """What is said over the connection."""

    http2: bool | None = None
    headers: Headers = Headers()


class BasicAuthUsers(Record, frozen=True, kw_only=True):
    """Users and the bcrypt hashes of their passwords, which appear in no text about this record."""

    hashes: dict[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def read(cls, data: Any, path: Path, report: Report) -> Self:
        """The users from a mapping of names and hashes. What stands in the place of a hash is never repeated."""
        return cls(hashes=_good(data, path, report, _user_problem))

    def __repr__(self) -> str:
        return f"BasicAuthUsers({len(self.hashes)} users)"


class WebConfig(Record, frozen=True, kw_only=True):
    """The whole file."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: BasicAuthUsers = BasicAuthUsers()

    @property
    def knows_who_asks(self) -> bool:
        """Whether nobody gets in without a password or a certificate."""
        tls = self.tls_server_config
        required = tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"
        return required or bool(self.basic_auth_users.hashes)


class Reading(NamedTuple):
    """What was read, with absolute names of files; all that is wrong is in `document.problems`."""

    config: WebConfig
    document: Document


def read(path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ) -> Reading:
    """The web configuration in a file. Raises ConfigError only when the file cannot be read."""
    document = read_yaml(text_of(path), os.fspath(path), environment)
    config = WebConfig.read({} if document.data is None else document.data, (), document.report)
    tls = config.tls_server_config
    if tls is not None and not document.problems:
        _check_tls(tls, document.report)
        config = msgspec.structs.replace(config, tls_server_config=_beside(FilePath(path).absolute().parent, tls))
    return Reading(config, document)


def warnings(config: WebConfig) -> list[str]:
    """What is asked for and done differently, though no less strictly; one sentence each."""
    found = []
    tls = config.tls_server_config
    if tls is not None and tls.min_version not in SPOKEN:
        found.append(f"tls_server_config.min_version is {tls.min_version}, but nothing below TLS12 is spoken")
    if tls is not None and tls.client_auth_type == "RequestClientCert":
        found.append(
            "tls_server_config.client_auth_type is RequestClientCert, but certificates that are not verified are not"
            " asked for: this is as NoClientCert"
        )
    if config.http_server_config.http2:
        found.append("http_server_config.http2 is true, but HTTP/2 is not spoken: clients get HTTP/1.1")
    return found


def _check_tls(tls: TlsServerConfig, report: Report) -> None:
    """That the keys fit together and can be done."""
    section = ("tls_server_config",)
    if tls.max_version not in SPOKEN:
        report((*section, "max_version"), f"nothing below TLS12 is spoken, expected one of {', '.join(SPOKEN)}")
    elif VERSIONS.index(tls.min_version) > VERSIONS.index(tls.max_version):
        report((*section, "min_version"), f"{tls.min_version} is above max_version {tls.max_version}")
    if tls.client_auth_type == "RequireAnyClientCert":
        text = "Python's ssl takes no certificate that it does not verify, expected RequireAndVerifyClientCert"
        report((*section, "client_auth_type"), text)
    if tls.client_auth_type in VERIFYING and not tls.client_ca_file:
        report((*section, "client_auth_type"), f"{tls.client_auth_type} needs client_ca_file, against which to verify")
    if tls.client_auth_type == "NoClientCert" and tls.client_ca_file:
        report((*section, "client_ca_file"), f"of no use without client_auth_type, expected {' or '.join(VERIFYING)}")
    if tls.cipher_suites and tls.min_version != "TLS13" and not any(SUITES[suite] for suite in tls.cipher_suites):
        report((*section, "cipher_suites"), "holds only suites of TLS 1.3: expected min_version TLS13 with them")
    if len(tls.curve_preferences) > 1:
        report((*section, "curve_preferences"), "Python's ssl can be given one curve, expected one, or none for all")


def _beside(folder: FilePath, tls: TlsServerConfig) -> TlsServerConfig:
    """The same with names of files that hold from everywhere."""
    names = ("cert_file", "key_file", "client_ca_file")
    given = {name: value for name in names if (value := getattr(tls, name))}
    return msgspec.structs.replace(tls, **{name: str(folder / value) for name, value in given.items()})


def _good(data: Any, path: Path, report: Report, problem: Callable[[str, Any], str | None]) -> dict[str, Any]:
    """The entries of a mapping of which nothing is wrong; what is wrong with the others is reported."""
    if not isinstance(data, dict):
        report(path, f"expected a mapping, got {shown(data)}")
        return {}
    problems = {name: problem(name, value) for name, value in data.items()}
    for name, words in problems.items():
        if words:
            report((*path, name), words)
    return {name: value for name, value in data.items() if not problems[name]}


def _header_problem(name: str, value: Any) -> str | None:
    if name not in HEADERS:
        return unknown("header", name, HEADERS)
    if value is None or (isinstance(value, str) and HEADER_VALUE.fullmatch(value or " ")):
        return None
    hint = "; put it in quotes" if isinstance(value, int | float) else ""
    return f"expected a text of printable ASCII characters, got {shown(value)}{hint}"


def _user_problem(user: str, value: Any) -> str | None:
    if not user or ":" in user:
        return "expected the name of a user, without a colon"
    found = BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return "expected the bcrypt hash of a password, as `htpasswd -nBC 10 USER` prints it after the colon"
    if not 4 <= int(found["cost"]) <= MAX_BCRYPT_COST:
        return f"expected a bcrypt hash with a cost of 4 to {MAX_BCRYPT_COST}, got {int(found['cost'])}"
    return None
