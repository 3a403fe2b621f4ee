"""What keeps a neighbour from answering is told in one line."""

import pytest
import requests

from exporter.commands import Failure
from exporter.commands.reaching import reaching
from exporter.demo.processes import free_port


def ask(url: str) -> None:
    with reaching(url, "exporter", "http://localhost:10833"):
        requests.get(url, timeout=10)


@pytest.mark.parametrize("url", ["localhost", "ftp://localhost", "http://"])
def test_what_is_no_address_is_told_with_one_that_is(url: str) -> None:
    with pytest.raises(Failure, match=f"^{url}: no address such as http://localhost:10833$"):
        ask(url)


def test_an_address_at_which_nobody_answers_is_told_with_the_reason() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Failure, match=f"^{url}: ConnectionError: the exporter cannot be reached$"):
        ask(url)
