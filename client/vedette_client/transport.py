"""One request and its answer; where another way is wanted (or a test), any function of this shape will do."""

import gzip
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import NamedTuple

import requests
from requests.adapters import HTTPAdapter

#: bodies below this gain nothing
WORTH_PACKING = 1024
#: an answer longer than this is none of the exporter's
LONGEST_ANSWER = 1 << 22


class Answer(NamedTuple):
    """Status, body, and after how many seconds to come again, where the server said it."""

    status: int
    body: bytes = b""
    retry_after: float | None = None


class Unreachable(Exception):
    """No answer: refused, timed out, broken off, no such host, no good certificate. The text holds no secret."""


#: path and body to answer; raises Unreachable
Transport = Callable[[str, bytes], Answer]


class Http:
    """POST with requests. Only the sending thread of one process uses it."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        timeout: float = 10.0,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
    ) -> None:
        self._url, self._timeout = url, timeout
        self._session = requests.Session()
        self._session.auth = _Key(api_key)
        self._session.verify, self._session.cert = verify, cert
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0))

    def __call__(self, path: str, body: bytes) -> Answer:
        """Send a body. Raises Unreachable."""
        headers = {"Content-Type": "application/json"}
        if len(body) >= WORTH_PACKING:
            body, headers["Content-Encoding"] = gzip.compress(body, 5, mtime=0), "gzip"
        try:
            with self._session.post(
                self._url + path,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,  # a redirected POST becomes a GET, and would carry the key elsewhere
                stream=True,
            ) as response:
                content = response.raw.read(LONGEST_ANSWER, decode_content=True)
                return Answer(response.status_code, content, seconds(response.headers.get("Retry-After")))
        except Exception as error:  # requests lets some of urllib3's and the socket's own through
            raise Unreachable(type(error).__name__) from None  # its text may hold the address with its query

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()


class _Key(requests.auth.AuthBase):
    """The key as a header; being there it also keeps requests from looking for a password in ~/.netrc."""

    def __init__(self, api_key: str | None) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._api_key is not None:
            request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


def seconds(retry_after: str | None) -> float | None:
    """The seconds of a `Retry-After`, a number or a date; None where it says nothing."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        return max(parsedate_to_datetime(retry_after).timestamp() - time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
