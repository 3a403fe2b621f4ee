"""What stands in for the world: an exporter that exposes a given text, and receivers that keep what they are sent."""

import json
import threading
from collections.abc import Callable, Iterable
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from exporter.demo.sinks import MailSink, Request, WebSink


class Target:
    """Exposes what `text` returns at that moment, in the Prometheus text format."""

    def __init__(self, text: Callable[[], str]) -> None:
        class Metrics(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.end_headers()
                self.wfile.write(text().encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Posts:
    """Keeps the requests of Slack, PagerDuty and webhook receivers, told apart by their paths."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._sink = WebSink(self.requests.append)
        self.url, self.stop = self._sink.url, self._sink.stop

    def at(self, path: str, word: str = "") -> list[Request]:
        """What came to this path and has the word in it, in order."""
        return [one for one in list(self.requests) if one.path == path and word in json.dumps(one.body)]


class Mails:
    """Keeps the mails of a mail server, and with which passwords they were sent."""

    def __init__(self, port: int) -> None:
        self.mails: list[EmailMessage] = []
        self._sink = MailSink(self.mails.append, port)
        self.address, self.logins, self.stop = self._sink.address, self._sink.logins, self._sink.stop

    def to(self, address: str, word: str = "") -> list[EmailMessage]:
        """The mails to this address that have the word in one of their parts, in order."""
        return [mail for mail in list(self.mails) if mail["To"] == address and word in "".join(texts(mail))]


def texts(mail: EmailMessage) -> Iterable[str]:
    """The text and the HTML of a mail."""
    return (part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")
