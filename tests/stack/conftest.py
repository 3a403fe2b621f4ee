"""One stack a flavour: stable (Debian 12's) and newer; what is not to be had is skipped and says so."""

from collections.abc import Iterator

import pytest

from exporter.demo.processes import free_port
from exporter.demo.stack import FLAVOURS, Stack, binaries
from tests.stack.processes import Alertmanager
from tests.stack.sinks import Mails, Posts


@pytest.fixture(scope="session", params=FLAVOURS)
def stack(request: pytest.FixtureRequest) -> Stack:
    found = binaries(request.param)
    if found is None:
        pytest.skip(f"no {request.param} Prometheus and Alertmanager: python3 tools/install_stack.py {request.param}")
    return found


@pytest.fixture(scope="module")
def http(stack: Stack) -> Iterator[Posts]:
    sink = Posts()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def mail(stack: Stack) -> Iterator[Mails]:
    sink = Mails(free_port())
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def alertmanager(
    request: pytest.FixtureRequest,
    stack: Stack,
    tmp_path_factory: pytest.TempPathFactory,
    http: Posts,
    mail: Mails,
) -> Iterator[Alertmanager]:
    """One for each module, whose `DIVISOR` says how much faster than in production it is."""
    folder = tmp_path_factory.mktemp(f"alertmanager-{stack.flavour}")
    server = Alertmanager(stack, folder, http.url, mail.address, divisor=request.module.DIVISOR)
    yield server
    server.stop()
