"""`vedette healthcheck`: for containers, whose probes are commands."""

import argparse
import urllib.error
import urllib.request

from exporter.commands import Failure


def healthcheck(options: argparse.Namespace) -> None:
    """Ask `/-/healthy`. Raises Failure when it does not answer as it should."""
    url = options.url.rstrip("/") + "/-/healthy"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            print(response.read().decode().strip())
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Failure(f"{url}: {getattr(error, 'reason', error)}") from None
