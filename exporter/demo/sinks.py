"""Where notifications of the demo and of the tests arrive: a mail server and a web server on loopback."""

import contextlib
import email.policy
import json
import logging
from collections.abc import Callable
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

#: where PagerDuty takes events
PAGES = "/v2/enqueue"
#: how PagerDuty answers, and how everybody else does
PAGED, TAKEN = b'{"status": "success", "message": "", "dedup_key": ""}', b"ok"


class Request(NamedTuple):
    """A request that came in, with its JSON body."""

    path: str
    headers: dict[str, str]
    body: Any


class WebSink:
    """Takes every POST of JSON (Slack, PagerDuty, webhooks) and hands it to `arrived` before it answers."""

    def __init__(self, arrived: Callable[[Request], object]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # at the end of the demo senders go away in mid-request
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                arrived(Request(self.path, dict(self.headers), json.loads(body)))
                status, said = (202, PAGED) if self.path == PAGES else (200, TAKEN)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: what arrives here is shown by whom it is handed to."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


class MailSink:
    """Takes every login and every mail, and hands the mails to `arrived`. logins: users with their passwords."""

    def __init__(self, arrived: Callable[[EmailMessage], object], port: int) -> None:
        from aiosmtpd.controller import Controller  # only the demo and the tests need it
        from aiosmtpd.smtp import AuthResult

        self.logins: list[tuple[bytes, bytes]] = []
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # at each login it warns of its own next version

        class Handler:
            async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
                message = email.message_from_bytes(envelope.content, policy=email.policy.default)
                assert isinstance(message, EmailMessage)
                arrived(message)
                return "250 OK"

        def log_in(server: object, session: object, envelope: object, mechanism: str, said: Any) -> AuthResult:
            self.logins.append((said.login, said.password))
            return AuthResult(success=True)

        self.address = f"127.0.0.1:{port}"
        self._controller = Controller(
            Handler(),
            hostname="127.0.0.1",
            port=port,
            authenticator=log_in,
            auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN"],  # it asks in words that Alertmanager does not know
        )
        self._controller.start()

    def stop(self) -> None:
        """Take no more."""
        self._controller.stop()
