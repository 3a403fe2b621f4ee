"""What stands in for the world: an exporter that exposes a given text, and receivers that keep what they are sent."""

import json
import threading
from collections.abc import Callable, Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope


class Request(NamedTuple):
    """A request that came in, with its JSON body."""

    path: str
    headers: dict[str, str]
    body: Any


class _Http:
    """An HTTP server on a free loopback port, in a thread, from its start until `stop`."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        raise NotImplementedError

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Target(_Http):
    """Exposes what `text` returns at that moment, in the Prometheus text format."""

    def __init__(self, text: Callable[[], str]) -> None:
        self.text = text
        super().__init__()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        target = self

        class Metrics(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.end_headers()
                self.wfile.write(target.text().encode())

            def log_message(self, *_: object) -> None:
                pass

        return Metrics


class HttpSink(_Http):
    """Keeps the requests of Slack, PagerDuty and webhook receivers, told apart by their paths."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        super().__init__()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Keep(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                sink.requests.append(Request(self.path, dict(self.headers), body))
                pagerduty = self.path.startswith("/v2/")
                self.send_response(202 if pagerduty else 200)
                self.end_headers()
                self.wfile.write(b'{"status": "success", "message": "", "dedup_key": ""}' if pagerduty else b"ok")

            def log_message(self, *_: object) -> None:
                pass

        return Keep

    def at(self, path: str, word: str = "") -> list[Request]:
        """What came to this path and has the word in it, in order."""
        return [one for one in list(self.requests) if one.path == path and word in json.dumps(one.body)]


class MailSink:
    """A mail server that asks for a password and keeps the mails."""

    def __init__(self, port: int) -> None:
        self.mails: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            authenticator=self.authenticate,
            auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN"],  # it asks in words that Alertmanager does not know
        )
        self.controller.start()
        self.address = f"127.0.0.1:{port}"

    def authenticate(self, server: object, session: object, envelope: object, mechanism: str, login: Any) -> AuthResult:
        self.logins.append((login.login, login.password))
        return AuthResult(success=True)

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def to(self, address: str, word: str = "") -> list[EmailMessage]:
        """The mails to this address that have the word in one of their parts, in order."""
        return [mail for mail in list(self.mails) if mail["To"] == address and word in "".join(texts(mail))]

    def stop(self) -> None:
        self.controller.stop()


def texts(mail: EmailMessage) -> Iterable[str]:
    """The text and the HTML of a mail."""
    return (part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")
