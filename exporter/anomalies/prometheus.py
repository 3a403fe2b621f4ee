"""Reading a Prometheus, or what speaks its API: politely, bounded, one request at a time.

Whatever goes wrong is a ReadError that says what was expected. Before the first points of a query its series are
counted: an expression that gives 50,000 of them is refused by one cheap request.
"""

import errno
import random
import re
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import requests
from requests.adapters import HTTPAdapter

from exporter.anomalies.blocks import Labels, Points, ReadError, chunks, joined, series_id, unlearnable
from exporter.config.anomalies import PrometheusServer, ResolvedQuery
from exporter.formats.native import BROKEN
from exporter.promql import COUNTER_ENDINGS, is_raw, raw_counter, selections

#: points a series and samples in all of one answer: Prometheus refuses more than 11,000 points, and half a million
#: samples are 20 MB of JSON here and there
CHUNK_POINTS, CHUNK_SAMPLES = 10_000, 500_000
ANSWER_BYTES = 128 << 20
#: answers after which it is asked again: too busy, or on its way up
AGAIN = frozenset({422, 429, 500, 502, 503, 504})
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
#: what 422 stands for when it is the expression's own fault
HOPELESS = ("many-to-many", "many-to-one", "duplicate series", "multiple matches", "too many samples", "same labelset")


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815  # as it is on the wire
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw()
    error: str = ""


class Prometheus:
    """The API of one server. sleep: how to wait in seconds; jitter: 0 to 1, so that many do not come back at once."""

    def __init__(
        self,
        server: PrometheusServer,
        session: requests.Session | None = None,
        sleep: Callable[[float], Any] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._server, self._sleep, self._jitter = server, sleep, jitter
        self._session = session or session_for(server)
        self._checked: set[str] = set()

    def check(self, query: ResolvedQuery, now: float) -> int:
        """How many series the query has now. Raises ReadError when it cannot be learned."""
        if error := unlearnable(query.expr, query.name):
            raise error
        self._refuse_counters(query)
        # the expression may end with a comment
        found = self.instant(f"count({query.expr}\n)", now, query.name)
        if not found:
            raise ReadError("no_data", f"{query.name}: the expression has no series now")
        count = int(found[0][1])
        if count > query.series:
            text = f"{query.name}: {count} series, more than its bound of {query.series}"
            raise ReadError("too_many_series", f"{text}; aggregate them, or raise `series` of the query")
        return count

    def range(
        self, expr: str, start: float, end: float, step: float, name: str, series: int = 1
    ) -> dict[str, tuple[Labels, Points]]:
        """The points of every series from start to end, both included and on the grid, by the id of the series.

        In chunks, the newest first; a series that is not in the newest is left out: it is gone. series: how many are
        expected. Raises ReadError.
        """
        points = max(1, min(CHUNK_POINTS, CHUNK_SAMPLES // max(series, 1)))
        labels: dict[str, Labels] = {}
        parts: dict[str, list[Points]] = {}
        for number, (first, last) in enumerate(chunks(start, end, step, points)):
            for found, read in self._span(expr, first, last, step, name):
                key = series_id(found)
                if number == 0:
                    labels[key] = found
                if key in labels:
                    parts.setdefault(key, []).append(read)
        return {key: (labels[key], joined(parts[key][::-1])) for key in labels}

    def instant(self, expr: str, now: float, name: str) -> list[tuple[Labels, float]]:
        """The value of every series now. Raises ReadError."""
        form = {"query": expr, "time": f"{now:.3f}"}
        found = [one for one in self._vector("query", form, "vector", name) if one.value]
        values = self._numbers((one.value[1] for one in found if one.value), name)
        return [(one.metric, value) for one, value in zip(found, values.tolist(), strict=True)]

    def is_well(self) -> bool:
        """Whether it answers."""
        try:
            self._data("query", {"query": "vector(1)"}, "health", retries=0)
        except ReadError:
            return False
        return True

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    def _span(self, expr: str, start: float, end: float, step: float, name: str) -> Iterable[tuple[Labels, Points]]:
        form = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        for one in self._vector("query_range", form, "matrix", name):
            times = np.array([moment for moment, _ in one.values], np.float64)
            yield one.metric, Points(times, self._numbers((text for _, text in one.values), name))

    def _numbers(self, texts: Iterable[str], name: str) -> np.ndarray:
        try:
            return np.array([float(text) for text in texts], np.float64)
        except ValueError as error:
            raise ReadError("unreachable", f"{name}: {self._server.url} does not speak Prometheus: {error}") from None

    def _vector(self, path: str, form: dict[str, str], kind: str, name: str) -> list[_Series]:
        try:
            data = msgspec.json.decode(self._data(path, form, name), type=_Data)
            if data.resultType != kind:
                raise ReadError("expression", f"{name}: expected series, the expression gives a {data.resultType}")
            return msgspec.json.decode(data.result, type=list[_Series])
        except BROKEN as error:
            raise ReadError("unreachable", f"{name}: {self._server.url} does not speak Prometheus: {error}") from None

    def _refuse_counters(self, query: ResolvedQuery) -> None:
        """By what the server knows of them."""
        if query.expr in self._checked:
            return
        for selection in selections(query.expr):
            if not is_raw(selection) or not selection.metric:
                continue
            if self._type(selection.metric, query.name) in ("counter", "histogram"):
                raise ReadError("counter", f"{query.name}: {raw_counter(selection.metric)}")
        self._checked.add(query.expr)

    def _type(self, metric: str, name: str) -> str:
        """What the server knows of the type; empty when it does not. A histogram is known without its endings."""
        stems = [metric, *(metric.removesuffix(ending) for ending in COUNTER_ENDINGS if metric.endswith(ending))]
        for stem in stems:
            try:
                raw = self._data("metadata", {"metric": stem}, name, retries=0, method="GET")
                kinds = {str(entry.get("type")) for entry in msgspec.json.decode(raw).get(stem, [])}
            except (ReadError, *BROKEN, AttributeError):
                return ""  # not every server that speaks the API has metadata
            if stem == metric and kinds - {"unknown"}:
                return kinds.pop()
            if kinds & {"histogram", "summary"}:  # their _count, _sum and _bucket
                return "histogram"
        return ""

    def _data(
        self, path: str, form: dict[str, str], name: str, retries: int | None = None, method: str = "POST"
    ) -> msgspec.Raw:
        """What an answer holds; waits and asks again when the server is busy or away."""
        left = self._server.retries if retries is None else retries
        wait = FIRST_WAIT
        while True:
            try:
                return self._ask(path, form, name, method)
            except _Busy as busy:
                if left <= 0:
                    raise ReadError(busy.reason, busy.text) from None
            left -= 1
            self._sleep(wait * (0.5 + self._jitter()))
            wait = min(2 * wait, LONGEST_WAIT)

    def _ask(self, path: str, form: dict[str, str], name: str, method: str) -> msgspec.Raw:
        url = f"{self._server.url}/api/v1/{path}"
        try:
            answer = self._session.request(
                method,
                url,
                params=form if method == "GET" else None,
                data=form if method == "POST" else None,
                timeout=self._server.timeout,
                headers=self._headers(),
                stream=True,
            )
            body = _body(answer, name)
        except (OSError, requests.RequestException) as error:
            text = f"{name}: {self._server.url} cannot be reached: {_reason(error)}"
            raise _Busy("unreachable", text) from None
        return self._read(answer.status_code, body, name)

    def _read(self, status: int, body: bytes, name: str) -> msgspec.Raw:
        try:
            found = msgspec.json.decode(body, type=_Answer)
        except BROKEN:
            found = _Answer("error", error=f"status {status} without an answer of Prometheus")
        if status == 200 and found.status == "success":
            return found.data
        text = f"{name}: {' '.join(found.error.split())[:300]}"
        if status in AGAIN and not any(words in found.error for words in HOPELESS):
            raise _Busy("unreachable", text)
        raise ReadError("expression" if status in (400, 422) else "unreachable", text)

    def _headers(self) -> dict[str, str]:
        """Headers and credentials as they are now."""
        headers = dict(self._server.headers)
        if self._server.credentials_file:
            headers["Authorization"] = f"Bearer {_token(self._server.credentials_file)}"
        elif basic := self._server.basic_auth:
            pair = f"{basic.username}:{_secret(basic.password_file)}"
            headers["Authorization"] = f"Basic {_base64(pair)}"
        return headers


class _Busy(Exception):
    """It may answer when it is asked again."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


def session_for(server: PrometheusServer) -> requests.Session:
    """A session with the TLS settings; nothing of it is taken from the environment."""
    session = requests.Session()
    session.trust_env = False
    session.verify = False if server.insecure_skip_verify else (server.ca_file or True)
    if server.cert_file and server.key_file:
        session.cert = (server.cert_file, server.key_file)
    if server.server_name:
        session.mount("https://", _Named(server.server_name))
    return session


class _Named(HTTPAdapter):
    """Expects a certificate for another name than the one in the address."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._name, assert_hostname=self._name, **more)


def _body(answer: requests.Response, name: str) -> bytes:
    """The whole answer, bounded."""
    parts, size = [], 0
    with answer:
        for part in answer.iter_content(1 << 16):
            size += len(part)
            if size > ANSWER_BYTES:
                raise ReadError("too_large", f"{name}: an answer of more than {ANSWER_BYTES >> 20} MiB")
            parts.append(part)
    return b"".join(parts)


def _secret(path: str) -> str:
    """What a file holds. Raises OSError, which names the file."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise OSError(errno.EINVAL, "not UTF-8", path) from None


def _token(path: str) -> str:
    """The same, where it is to stand in a header as it is."""
    token = _secret(path)
    if not re.fullmatch(r"[!-~]+", token):
        raise OSError(errno.EINVAL, "expected a token of printable ASCII characters", path)
    return token


def _base64(text: str) -> str:
    from base64 import b64encode

    return b64encode(text.encode()).decode()


def _reason(error: Exception) -> str:
    """Why, in few words and without the addresses that the library adds."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLError):
            return f"TLS: {getattr(inner, 'verify_message', '') or inner.reason or 'failed'}"
        if isinstance(inner, requests.Timeout):
            return "timed out"
        if isinstance(inner, OSError) and inner.filename:
            return f"{inner.filename}: {inner.strerror}"
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    # what is wrong with files of certificates has no number
    return str(error) if type(error) is OSError else type(error).__name__
