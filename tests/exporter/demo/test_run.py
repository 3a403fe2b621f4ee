"""`vedette demo` up to its servers; tests/stack runs it whole."""

import http.server
import re
import signal
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from exporter.commands import Failure
from exporter.demo.processes import free_port
from exporter.demo.run import Printer, await_scrape
from exporter.demo.sinks import PAGES, Request
from tests.exporter.conftest import Exporter, Process


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_in_order_on_an_interrupt_a_stop_and_a_closed_terminal(
    serve: Any, run: Callable[..., Process], ending: signal.Signals
) -> None:
    exporter: Exporter = serve()
    demo = run("demo", "--traffic-only", "--url", exporter.url)
    while not exporter.page()['vedette_queries_accepted_total{source="push"}']:
        pass
    demo.signal(ending)
    code, out, err = demo.finish()
    assert (code, err) == (0, "")
    assert "ordinary traffic only" in out


def test_pages_and_mails_are_printed_and_what_says_the_same_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(time.monotonic())
    printer.page(Request("/slack", {}, {"text": "it attacks"}))
    details = {"firing": "", "resolved": "it ended\n"}
    printer.page(Request(PAGES, {}, {"payload": {"summary": "it attacks", "custom_details": details}}))
    mail = EmailMessage()
    mail["To"], mail["Subject"] = "ml@example.com", "drift"
    mail.set_content("of one feature")
    mail.add_alternative("<b>of one feature</b>", subtype="html")
    printer.mail(mail)
    said = re.sub(r"\[ *[\d.]+ s\] ", "", capsys.readouterr().out)
    assert said == (
        "\nPAGE: it attacks\n    it ended\n\n\nNOTIFICATION to ml@example.com: drift\n    of one feature\n\n"
    )


def test_a_prometheus_that_is_gone_is_told_of_in_one_sentence() -> None:
    with pytest.raises(Failure, match="Prometheus does not answer"):
        await_scrape(f"127.0.0.1:{free_port()}", threading.Event())


def test_the_first_scrape_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": {"result": []}}')

        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setattr("exporter.demo.run.SCRAPE_SECONDS", 0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            with pytest.raises(Failure, match="has not scraped the exporter within 0 s"):
                await_scrape(f"127.0.0.1:{server.server_port}", threading.Event())
        finally:
            server.shutdown()
