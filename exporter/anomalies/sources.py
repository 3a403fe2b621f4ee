"""Where queries are read, and the contexts that hold at the time: a Prometheus, or the program's own series."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np
from prometheus_client.core import Metric

from exporter.anomalies import own
from exporter.anomalies.blocks import ReadError
from exporter.anomalies.contexts import ContextReader
from exporter.anomalies.events import Events, told
from exporter.anomalies.learning import Source
from exporter.anomalies.prometheus import Prometheus
from exporter.anomalies.watched import ContextsOf
from exporter.config.anomalies import LearnedNormal, ResolvedQuery


class Sources:
    """collect: the families of the program's own page. given: what is read instead of a Prometheus."""

    def __init__(self, folder: Path, collect: Callable[[], Iterable[Metric]], given: Source | None) -> None:
        self.own = own.OwnSource(collect, folder / "own.msgpack")
        self.events = Events(folder / "events.json")
        self.contexts = ContextReader()
        self.prometheus: Prometheus | None = None
        self._impatient: Prometheus | None = None
        self._given = given
        self._config = LearnedNormal()

    def configure(self, config: LearnedNormal) -> None:
        """Take a configuration; whoever still reads opens a new connection."""
        self._config = config
        self.contexts.configure(config.contexts)
        self.close()
        if config.prometheus is not None and self._given is None:
            self.prometheus = Prometheus(config.prometheus)
            self._impatient = Prometheus(msgspec.structs.replace(config.prometheus, retries=0))

    def close(self) -> None:
        """Let go of the connections."""
        for reader in (self.prometheus, self._impatient):
            if reader is not None:
                reader.close()
        self.prometheus = self._impatient = None

    def is_own(self, query: ResolvedQuery) -> bool:
        """Whether the query is about the program itself, without a Prometheus."""
        return self._config.own and query.expr in own.QUERIES

    def of(self, query: ResolvedQuery, live: bool = False) -> Source:
        """Where a query is read. live: the next round is the next attempt. Raises ReadError where there is nothing."""
        if self.is_own(query):
            return self.own
        source = self._given or (self._impatient if live else self.prometheus)
        if source is None:
            raise ReadError("unreachable", f"{query.name}: no Prometheus is configured")
        return source

    def contexts_of(self, times: np.ndarray, query: ResolvedQuery, source: Source, now: float | None) -> ContextsOf:
        """The contexts of these times, to be looked up by time. now: of live reading, else None."""
        names = told(self.events.all(), times)
        if self._config.contexts and not self.is_own(query):
            by_expression = self.contexts.read(source, times, query.step, now)
            names = np.where(by_expression == "", names, by_expression)
        known = dict(zip(times.tolist(), names.tolist(), strict=True))
        return lambda asked: np.array([known.get(moment, "") for moment in asked.tolist()], dtype=object)
