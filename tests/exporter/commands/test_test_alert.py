"""`vedette test-alert` where there is no Alertmanager; tests/stack has it reach a real one."""

from argparse import Namespace

import pytest

from exporter.commands import Failure
from exporter.commands.test_alert import test_alert as send


def failure(url: str) -> str:
    with pytest.raises(Failure) as failed:
        send(Namespace(config_file=None, alertmanager_url=url))
    return str(failed.value)


@pytest.mark.parametrize("url", ["localhost:9093", "localhost", "http://"])
def test_what_is_no_address_is_told_what_one_looks_like(url: str) -> None:
    assert failure(url).endswith(": no address such as http://localhost:9093")


def test_an_alertmanager_that_does_not_answer_is_a_failure_that_names_it(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    assert failure(url) == f"{url}: ConnectionError: the Alertmanager cannot be reached"
