"""Where the demo's notifications arrive: a mail server and a web server on loopback."""

import contextlib
import email.policy
import json
from collections.abc import Callable
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

#: where PagerDuty takes events
PAGES = "/v2/enqueue"


class WebSink:
    """Takes every POST (Slack, PagerDuty, webhooks) and answers 200; hands summary and text of pages to `paged`."""

    def __init__(self, paged: Callable[[str, str], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # at the end of the demo senders go away in mid-request
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == PAGES:
                    event = json.loads(body)
                    details = event["payload"].get("custom_details", {})
                    paged(event["payload"]["summary"], details.get("firing") or details.get("resolved") or "")
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: what arrives here is shown from the mail."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


class MailSink:
    """Takes every mail and hands its recipient, subject and text to `arrived`."""

    def __init__(self, arrived: Callable[[str, str, str], None], port: int) -> None:
        from aiosmtpd.controller import Controller  # only the demo and the tests need it

        class Handler:
            async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
                message = email.message_from_bytes(envelope.content, policy=email.policy.default)
                assert isinstance(message, EmailMessage)
                body = message.get_body(("plain",))
                text = body.get_content() if body else ""
                arrived(", ".join(envelope.rcpt_tos), str(message["subject"]), text)
                return "250 OK"

        self.address = f"127.0.0.1:{port}"
        self._controller = Controller(Handler(), hostname="127.0.0.1", port=port)
        self._controller.start()

    def stop(self) -> None:
        """Take no more."""
        self._controller.stop()
