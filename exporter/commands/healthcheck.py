"""`vedette healthcheck`: for containers, whose probes are commands."""

import argparse
import urllib.request
from http.client import HTTPException

from exporter.commands import Failure


def healthcheck(options: argparse.Namespace) -> None:
    """Ask `/-/healthy`. Raises Failure when it does not answer as it should."""
    url = options.url.rstrip("/") + "/-/healthy"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            print(response.read().decode().strip())
    except (HTTPException, OSError, ValueError) as error:  # URLError is an OSError
        raise Failure(f"{url}: {getattr(error, 'reason', error)}") from None
