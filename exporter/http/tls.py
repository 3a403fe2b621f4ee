"""The web configuration file in use: TLS contexts, made anew when the file or a certificate changes.

Whoever needs what holds now calls `WebFile.current`, once a request. It looks at the files (some microseconds) and
reads them again where they have changed; what is wrong then changes nothing, is logged, and makes `is_good` false.
"""

import logging
import os
import ssl
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from exporter.config.yaml_lines import Problem, Report
from exporter.config_file import ConfigError, raise_problems
from exporter.http.web_config import CURVES, SUITES, TlsServerConfig, WebConfig, read, warnings

log = logging.getLogger(__name__)

Stamp = tuple[int, ...] | None
SECTION = "tls_server_config"
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENT_CERTIFICATES = {
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class Web(NamedTuple):
    """A web configuration that works, and its TLS context; None for plain HTTP."""

    config: WebConfig
    context: ssl.SSLContext | None


class WebFile:
    """A web configuration file. Raises ConfigError when it is wrong at the start; later ones keep what was good."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._lock = threading.Lock()
        #: what the files looked like just before they were read, by name
        self._seen: dict[str, Stamp] = {self._path: None}
        self._web = self._load()
        self.is_good = True

    def current(self) -> Web:
        """What holds now. Any thread may ask."""
        with self._lock:
            if _stamps(self._seen) != self._seen:
                self._reload()
            return self._web

    @property
    def latest(self) -> Web:
        """What `current` gave last: for those who are asked once it was called for the same request."""
        return self._web

    def looks_good(self) -> bool:
        """Whether the files, as they are now, are the ones in use."""
        self.current()
        return self.is_good

    def server_context(self) -> ssl.SSLContext | None:
        """A context for a listener, which gives each new connection what holds then; None for plain HTTP."""
        return None if self._web.context is None else _Latest(self)

    def _reload(self) -> None:
        try:
            web = self._load()
            if (web.context is None) != (self._web.context is None):
                raise ConfigError([Problem(self._path, 0, SECTION, "to begin or end with TLS takes a restart")])
        except ConfigError as error:
            self.is_good = False
            log.error("the web configuration was not reloaded", extra={"reason": str(error)})
        else:
            self._web, self.is_good = web, True
            log.info("web configuration reloaded", extra={"file": self._path})
            for sentence in warnings(web.config):
                log.warning(sentence)

    def _load(self) -> Web:
        self._seen = _stamps(self._seen)
        config, document = read(self._path)
        raise_problems(document)
        tls = config.tls_server_config
        self._seen = {self._path: self._seen[self._path], **_stamps(tls.files if tls else ())}
        context = make_context(tls, document.report) if tls else None
        raise_problems(document)
        return Web(config, context)


class _Latest(ssl.SSLContext):
    """The context of a listener: it stays, and each connection is made with the one that holds now."""

    _file: WebFile

    def __new__(cls, file: WebFile) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._file = file
        return made

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """One connection, as every event loop begins it."""
        context = self._file.current().context
        assert context is not None  # a file that begins or ends with TLS is not taken over
        return context.wrap_bio(*arguments, **options)


def make_context(tls: TlsServerConfig, report: Report) -> ssl.SSLContext:
    """The context of a server; what cannot be loaded goes to `report`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS.get(tls.min_version, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = VERSIONS[tls.max_version]
    # renegotiation is the client's way to make the server work, and compression leaks what is encrypted
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _choose(context, tls, report)
    unreadable = [name for name, file in _named(tls) if not _is_readable(name, file, report)]
    if not unreadable:
        _load_files(context, tls, report)
    return context


def _choose(context: ssl.SSLContext, tls: TlsServerConfig, report: Report) -> None:
    """Suites and curve; an OpenSSL can be built or set up without some of them."""
    name = "cipher_suites"
    try:
        if suites := [SUITES[suite] for suite in tls.cipher_suites if SUITES[suite]]:
            context.set_ciphers(":".join(suites))
        name = "curve_preferences"
        for curve in tls.curve_preferences:
            context.set_ecdh_curve(CURVES[curve])
    except (OSError, ValueError) as error:
        report((SECTION, name), f"the OpenSSL of this machine does not have it: {_reason(error)}")


def _load_files(context: ssl.SSLContext, tls: TlsServerConfig, report: Report) -> None:
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        text = f"expected a certificate in PEM form and, in key_file, its key without a password: {_reason(error)}"
        report((SECTION, "cert_file"), text)
    if tls.client_ca_file:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except (OSError, ValueError) as error:
            report((SECTION, "client_ca_file"), f"expected certificates in PEM form: {_reason(error)}")
    context.verify_mode = CLIENT_CERTIFICATES.get(tls.client_auth_type, ssl.CERT_NONE)


def _named(tls: TlsServerConfig) -> list[tuple[str, str]]:
    names = ("cert_file", "key_file", "client_ca_file")
    return [(name, file) for name in names if (file := getattr(tls, name))]


def _is_readable(name: str, file: str, report: Report) -> bool:
    """Whether a file can be read. ssl does not say which one could not."""
    try:
        with open(file, "rb") as opened:
            opened.read(1)
    except OSError as error:
        report((SECTION, name), f"{file} cannot be read: {error.strerror}")
        return False
    return True


def _no_password() -> str:
    """Without this, OpenSSL would ask on the terminal."""
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    """What OpenSSL says, in lower-case words."""
    text = getattr(error, "reason", None) or str(error)
    return text.replace("_", " ").lower()


def _stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: str) -> Stamp:
    """Something that differs when a file has changed; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
