"""One call of a model, from its beginning to its report."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from vedette_client.client import Client, ModelType


class Call:
    """Set what is known of a call on it; it is reported when it ends. Nothing here raises.

    input, output, label, client, attributes, tokens, cost_dollars: as in a query. Without an input only the times,
    errors, tokens and costs are reported. id: what feedback refers to.
    """

    def __init__(
        self,
        report_to: Client,
        model: str,
        model_type: ModelType = "llm",
        version: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._client, self._clock = report_to, clock
        self.model, self.model_type, self.version = model, model_type, version
        self.id = report_to.new_id()
        self.input: Any = None
        self.output: Any = None
        self.label: Any = None
        self.client: str | None = None
        self.attributes: Mapping[str, Any] | None = None
        self.tokens: Mapping[str, int] | None = None
        self.cost_dollars: float | None = None
        self.error: str | None = None
        self._first: float | None = None
        self._ended = False
        self._began = clock()

    @property
    def has_ended(self) -> bool:
        """Whether it is reported."""
        return self._ended

    def first_token(self) -> None:
        """The first part of the answer is there; later calls change nothing."""
        if self._first is None:
            self._first = self._clock() - self._began

    def fail(self, error: BaseException | str) -> None:
        """The call failed: only the name of the error is reported, its text may hold what users wrote."""
        self.error = error if isinstance(error, str) else type(error).__name__

    def end(self) -> None:
        """Report the call, once."""
        if self._ended:
            return
        self._ended = True
        latency = self._clock() - self._began
        has_input = self.input is not None
        if has_input:
            self._push(latency)
        if not has_input or self._first is not None or self._client.samples_resources:
            self._sample(latency, has_input)

    def _push(self, latency: float) -> None:
        """As a query; with what its sample needs, should the input turn out to be of no form."""
        self._client.leave_query(
            {
                "id": self.id,
                "model": self.model,
                "client": self.client,
                "input": self.input,
                "output": self.output,
                "version": self.version,
                "label": self.label,
                "latency_seconds": latency,
                "error": self.error,
                "tokens": self.tokens,
                "cost_dollars": self.cost_dollars,
                "attributes": self.attributes,
                "model_type": self.model_type,
                "time_to_first_token_seconds": self._first,
            }
        )

    def _sample(self, latency: float, is_joined: bool) -> None:
        """What the query does not say already, where there is one: the exporter counts what both say once."""
        self._client.inference(
            self.model,
            latency,
            model_type=self.model_type,
            request_id=self.id,
            client=self.client,
            error=self.error,
            time_to_first_token_seconds=self._first,
            tokens=None if is_joined else self.tokens,
            cost_dollars=None if is_joined else self.cost_dollars,
        )

    def __enter__(self) -> "Call":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and is_failure(error):
            self.fail(error)
        self.end()


def is_failure(error: BaseException) -> bool:
    """Whether an exception is the model's failure: not when the caller lost interest, or the process ends."""
    return isinstance(error, Exception)
