"""`vedette healthcheck`: for containers, whose probes are commands.

Over https the certificate of a loopback address is not verified: it is made for the name by which others call this
machine, and who answers on loopback is on this machine. That of any other address is.
"""

import argparse
import ssl
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from exporter.addresses import is_loopback
from exporter.commands import Failure


def healthcheck(options: argparse.Namespace) -> None:
    """Ask `/-/healthy`. Raises Failure when it does not answer as it should."""
    url = options.url.rstrip("/") + "/-/healthy"
    headers = _headers(options.key_file)
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=5, context=_context(url)) as response:
            print(response.read().decode().strip())
    except (HTTPException, OSError, ValueError) as error:  # URLError is an OSError
        raise Failure(f"{url}: {getattr(error, 'reason', error)}") from None


def _headers(key_file: str | None) -> dict[str, str]:
    """What shows who asks. The key stands in a file, because everybody on a machine can read a command line."""
    if key_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {Path(key_file).read_text('ascii').strip()}"}
    except OSError as error:
        raise Failure(f"{key_file}: {error.strerror}") from None
    except ValueError:
        raise Failure(f"{key_file}: holds no key") from None


def _context(url: str) -> ssl.SSLContext | None:
    parts = urlsplit(url)
    if parts.scheme != "https":
        return None
    context = ssl.create_default_context()
    if is_loopback(parts.hostname or ""):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
