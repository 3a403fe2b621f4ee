"""How a command says that a neighbour cannot be asked."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from exporter.commands import Failure

NO_ADDRESS = (requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL)


@contextmanager
def reaching(url: str, neighbour: str, example: str) -> Iterator[None]:
    """Requests to an address: what keeps them from being answered becomes a Failure.

    neighbour: who should be there; example: what an address of it looks like.
    """
    try:
        yield
    except NO_ADDRESS:
        raise Failure(f"{url}: no address such as {example}") from None
    except requests.RequestException as error:
        raise Failure(f"{url}: {type(error).__name__}: the {neighbour} cannot be reached") from None
