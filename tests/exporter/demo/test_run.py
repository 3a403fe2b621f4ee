"""`vedette demo` up to its servers; tests/stack runs it whole."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

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
