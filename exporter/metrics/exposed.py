"""Where the numbers come from: the parts of the program, and what of them is read."""

import time
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from exporter.access.gate import Gate
from exporter.config import Config
from exporter.history.recorder import Recorder
from exporter.metrics.page import Block
from exporter.pipeline import Pipeline
from exporter.storage.journal import Journal


class Intake(Protocol):
    """What one source counted."""

    @property
    def accepted(self) -> int:
        """Queries taken in, duplicates included."""

    @property
    def duplicates(self) -> int:
        """Queries that were taken before."""

    @property
    def rejected(self) -> Mapping[str, int]:
        """Records refused, by reason."""


class Files(Protocol):
    """What the drop directory counted."""

    @property
    def read(self) -> int:
        """Files read to their end."""

    @property
    def failed(self) -> Mapping[str, int]:
        """Files that hold a failure, by reason."""

    def pending(self) -> int:
        """Files that are seen and not read yet."""


class Http(Protocol):
    """What is known of HTTP connections."""

    @property
    def open(self) -> Sized:
        """Those that are open."""

    @property
    def closed(self) -> Mapping[str, int]:
        """Those that broke a bound, by reason."""


class Heartbeat(Protocol):
    """When the canary last came through."""

    succeeded_at: float | None


class Keeper(Protocol):
    """What survives a restart: how it was brought back and is kept."""

    recovering: bool
    replayed: int
    epoch: float
    saved_at: float
    seconds: float | None
    failures: int

    @property
    def set_aside(self) -> int:
        """Snapshots that could not be used."""


@dataclass
class Exposed:
    """Where the numbers come from. The application changes it when the configuration is reloaded."""

    config: Config
    pipeline: Pipeline
    intake: Mapping[str, Intake]
    canary: Heartbeat
    files: Files | None = None
    journal: Journal | None = None
    keeper: Keeper | None = None
    state: Path | None = None
    http: Http | None = None
    open_intake: Callable[[], bool] = lambda: False
    gate: Gate | None = None
    history: Recorder | None = None
    samples: Mapping[str, Intake] = field(default_factory=dict)
    reload_successful: bool = True
    reloaded_at: float = 0.0
    series_dropped: int = 0
    web_is_good: Callable[[], bool] | None = None
    #: a client as it is shown
    shown: Callable[[str], str] = str
    clock: Callable[[], float] = time.time
    #: what else is exposed: each block whole, or not at all where it does not fit
    blocks: Callable[[], Iterable[Block]] = tuple

    @property
    def is_replaying(self) -> bool:
        """Whether the journal is judged again after a start: what a restart continues is not whole before its end."""
        return self.keeper is not None and self.keeper.recovering
