"""One stack a flavour: stable (Debian 12's) and newer; what is not to be had is skipped and says so."""

from collections.abc import Iterator

import pytest

from exporter.demo.processes import free_port
from exporter.demo.stack import FLAVOURS, Stack, binaries
from tests.stack.processes import Alertmanager
from tests.stack.sinks import HttpSink, MailSink


@pytest.fixture(scope="session", params=FLAVOURS)
def stack(request: pytest.FixtureRequest) -> Stack:
    found = binaries(request.param)
    if found is None:
        pytest.skip(f"no {request.param} Prometheus and Alertmanager: python3 tools/install_stack.py {request.param}")
    return found


@pytest.fixture(scope="module")
def http(stack: Stack) -> Iterator[HttpSink]:
    sink = HttpSink()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def mail(stack: Stack) -> Iterator[MailSink]:
    sink = MailSink(free_port())
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def alertmanager(
    request: pytest.FixtureRequest,
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
    http: HttpSink,
    mail: MailSink,
) -> Iterator[Alertmanager]:
    """One for each module, whose `DIVISOR` says how much faster than in production it is."""
    folder = tmp_path_factory.mktemp(f"alertmanager-{stack.flavour}")
    server = Alertmanager(stack, folder, f"http://{http.address}", mail.address, divisor=request.module.DIVISOR)
    yield server
    server.stop()
