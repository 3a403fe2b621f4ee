"""The client: what the host calls. Every call leaves a record and returns; none raises or waits."""

import atexit
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from vedette_client.engine import Engine
from vedette_client.identity import Identity
from vedette_client.settings import MEBIBYTE, Settings, checked_url
from vedette_client.statistics import Statistics
from vedette_client.transport import Http, Transport

ModelType = Literal["llm", "cv", "tabular"]


class Client:
    """Sends queries, samples and reports to one exporter, from all threads of a process and of its forks.

    What is given must not be changed afterwards; lists and mappings are copied one level deep, arrays are not.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:10833",
        api_key: str | None = None,
        *,
        flush_interval: float = 1.0,
        batch_records: int = 500,
        batch_bytes: int = MEBIBYTE,
        queue_records: int = 10_000,
        record_bytes: int = 4 * MEBIBYTE,
        buffer_bytes: int = 64 * MEBIBYTE,
        buffer_dir: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        longest_wait: float = 30.0,
        close_timeout: float = 5.0,
        resources_interval: float | None = None,
        instance: str | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """The settings are those of `Settings`; verify and cert those of requests.

        transport, clock, jitter: for tests, instead of HTTP, the monotonic clock, and chance.
        Raises ValueError on a wrong setting; whatever goes wrong later is counted.
        """
        address = checked_url(url)
        self._settings = Settings(
            flush_interval=flush_interval,
            batch_records=batch_records,
            batch_bytes=batch_bytes,
            queue_records=queue_records,
            record_bytes=record_bytes,
            buffer_bytes=buffer_bytes,
            buffer_dir=None if buffer_dir is None else Path(buffer_dir),
            timeout=timeout,
            longest_wait=longest_wait,
            close_timeout=close_timeout,
            resources_interval=resources_interval,
            instance=instance,
        )
        self._address = address
        self._connect = lambda: transport or Http(address, api_key, timeout, verify, cert)
        self._clock, self._jitter = clock, jitter
        self.begin_anew()
        _open.add(self)
        if buffer_dir is not None and any(Path(buffer_dir).glob("*/*.log")):
            self._engine.start()  # what an earlier process left does not wait for a first record

    def begin_anew(self) -> None:
        """Have an empty queue, ids and threads of one's own: at the start, and in a forked child."""
        self._id = Identity()
        self._engine = Engine(self._settings, self._connect, self._clock, self._jitter)
        self._put = self._engine.put

    @property
    def samples_resources(self) -> bool:
        """Whether samples of inferences carry what the machine does."""
        return self._settings.resources_interval is not None

    def new_id(self) -> str:
        """An id that no other record of any process has."""
        return self._id()

    def __repr__(self) -> str:
        return f"Client({self._address!r})"

    def push(
        self,
        query: Mapping[str, Any] | None = None,
        *,
        input: Any = None,
        output: Any = None,
        model: str | None = None,
        client: str | None = None,
        id: str | None = None,
        version: str | None = None,
        modality: str | None = None,
        label: Any = None,
        latency_seconds: float | None = None,
        error: str | None = None,
        tokens: Mapping[str, int] | None = None,
        cost_dollars: float | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Report a query: one mapping of native fields, or its fields. Returns its id, also when it is dropped."""
        try:
            if query is not None:
                fields = dict(query)
                id = fields["id"] = self._named(fields.get("id"))
            else:
                id = self._named(id)
                fields = {
                    "id": id,
                    "model": model,
                    "client": client,
                    "input": input,
                    "output": output,
                    "version": version,
                    "modality": modality,
                    "label": label,
                    "latency_seconds": latency_seconds,
                    "error": error,
                    "tokens": tokens,
                    "cost_dollars": cost_dollars,
                    "attributes": attributes,
                }
        except Exception:
            return self._slip()
        self.leave_query(fields)
        return id

    def leave_query(self, fields: dict[str, Any]) -> None:
        """Report a query whose fields are the client's from now on; `model_type` and the like are for its sample."""
        self._report("query", fields)

    def inference(
        self,
        model: str,
        latency_seconds: float,
        *,
        model_type: ModelType = "llm",
        request_id: str | None = None,
        client: str | None = None,
        error: str | None = None,
        time_to_first_token_seconds: float | None = None,
        tokens: Mapping[str, int] | None = None,
        cost_dollars: float | None = None,
        gpu_seconds: float | None = None,
        throughput: float | None = None,
        error_rate: float | None = None,
        resource_usage: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Report how long one inference took. Returns its request id: that of a query joins the two."""
        try:
            request_id = self._named(request_id)
        except Exception:
            return self._slip()
        fields: dict[str, Any] = {
            "model_id": model,
            "model_type": model_type,
            "request_id": request_id,
            "latency_seconds": latency_seconds,
            "client": client,
            "error": error,
            "time_to_first_token_seconds": time_to_first_token_seconds,
            "tokens": tokens,
            "cost_dollars": cost_dollars,
            "gpu_seconds": gpu_seconds,
            "throughput": throughput,
            "error_rate": error_rate,
            "resource_usage": resource_usage,
            "tags": tags,
        }
        self._report("inference", fields)
        return request_id

    def drift(
        self,
        model: str,
        drift_type: Literal["data", "concept"],
        severity: str,
        confidence: float,
        *,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Report drift that was found elsewhere. severity: low, medium, high or critical. confidence: 0 to 1."""
        fields = {"model_id": model, "drift_type": drift_type, "severity": severity, "confidence": confidence}
        self._report("drift", {**fields, "tags": tags, "id": self._id()})

    def register_model(
        self,
        id: str,
        *,
        name: str | None = None,
        model_type: ModelType = "llm",
        version: str | None = None,
        environment: Literal["dev", "staging", "prod"] | None = None,
        thresholds: Mapping[str, float] | None = None,
        objectives: Mapping[str, float] | None = None,
        prices: Mapping[str, float] | None = None,
    ) -> None:
        """Make a model known, with its thresholds (latency in ms). The key needs the scope `admin`."""
        fields = {"id": id, "name": id if name is None else name, "model_type": model_type, "version": version}
        more = {"environment": environment, "thresholds": thresholds, "objectives": objectives, "prices": prices}
        self._report("model", {**fields, **more})

    def custom(
        self,
        name: str,
        value: float,
        *,
        kind: Literal["gauge", "counter", "histogram"] = "gauge",
        labels: Mapping[str, str] | None = None,
        instance: str | None = None,
    ) -> None:
        """Report a metric of one's own. A counter's value is what is added; of a gauge the largest instance counts.

        instance: whose gauge it is; else this client's.
        """
        fields = {"name": name, "kind": kind, "value": value, "labels": labels, "instance": instance}
        self._report("custom", {**fields, "id": self._id()})

    def feedback(self, id: str, label: Any, *, model: str | None = None) -> None:
        """Tell the true label of a query. The key needs the scope `admin`."""
        try:
            id = id if id is None or type(id) is str else str(id)
        except Exception:
            self._slip()
            return
        self._report("feedback", {"id": id, "label": label, "model": model})

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was reported before is settled: taken or refused. False when the time was too short."""
        try:
            return self._engine.flush(timeout)
        except Exception:
            return False

    def stats(self) -> Statistics:
        """What became of the records so far."""
        return self._engine.statistics()

    def close(self, timeout: float | None = None) -> None:
        """Send what is left, and end. Done at the end of the process, too."""
        _open.discard(self)
        try:
            self._engine.close(self._settings.close_timeout if timeout is None else timeout)
        except Exception:
            self._slip()

    def abandon(self) -> None:
        """In a forked child: leave to the parent what is its own, and begin anew."""
        self._engine.abandon()
        self.begin_anew()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _named(self, id: Any) -> str:
        """An id as a text; a new one where there is none. Raises what the host's objects do."""
        if type(id) is str and id:
            return id
        return self._id() if id is None or id == "" else str(id)

    def _report(self, kind: str, fields: dict[str, Any]) -> None:
        """Leave a record whose fields are the client's from now on: what the host may go on filling is copied."""
        try:
            for name in _FILLED[kind]:
                value = fields.get(name)
                if type(value) is dict or type(value) is list:
                    fields[name] = value.copy()
            self._put(kind, fields)
        except Exception:
            self._slip()

    def _slip(self) -> str:
        """An error of ours is counted, and never the host's."""
        self._engine.slips.add()
        return ""


#: fields that may be mappings or lists, by kind of record
_FILLED = {
    "query": ("input", "output", "tokens", "attributes"),
    "inference": ("tokens", "resource_usage", "tags"),
    "drift": ("tags",),
    "model": ("thresholds", "objectives", "prices"),
    "custom": ("labels",),
    "feedback": (),
}
_open: set[Client] = set()


def close_all() -> None:
    """Close every client that is open."""
    for client in list(_open):
        client.close()


def _in_child() -> None:
    for client in _open:
        client.abandon()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
