"""`vedette demo` up to its servers; tests/stack runs it whole."""

import re
import signal
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from exporter.demo.run import Printer
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
