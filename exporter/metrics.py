"""Every metric that the program exposes: names, types, labels, meaning; and the Collector that fills them.

Results become metrics here and nowhere else, fresh at each scrape. The table is what the documentation, the rules
and the dashboards are checked against.
"""

import logging
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from detectors import Detector
from exporter.config import Config
from exporter.formats import REJECTION_CODES
from exporter.models import ERROR_REASONS, SKIP_REASONS, Tally, WatchedModel, label_value
from exporter.pipeline import DELAY_BUCKETS, Pipeline
from exporter.version import VERSION

log = logging.getLogger(__name__)


class Family(NamedTuple):
    """A metric: its name without the prefix, its type, its labels and its meaning. Counters end in _total."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


PREFIX = "vedette_"
FAMILIES = (
    Family("queries_accepted_total", "counter", ("source",), "Queries taken in, duplicates included"),
    Family("queries_rejected_total", "counter", ("source", "reason"), "Records refused at intake"),
    Family("queries_duplicate_total", "counter", ("source",), "Queries that were taken before and not judged again"),
    Family("queries_total", "counter", ("model",), "Queries judged"),
    Family("suspicious_queries_total", "counter", ("model",), "Queries that at least one detector flagged"),
    Family("detector_judgements_total", "counter", ("model", "detector"), "Scores computed"),
    Family("detector_flags_total", "counter", ("model", "detector"), "Scores at or above the threshold"),
    Family(
        "detector_skipped_total", "counter", ("model", "detector", "reason"), "Queries that the detector cannot judge"
    ),
    Family("detector_errors_total", "counter", ("model", "detector", "reason"), "Queries on which the detector failed"),
    Family(
        "detection_score",
        "histogram",
        ("model", "detector"),
        "Scores; entropies divided by ln k. Buckets differ between detectors: never aggregate over detector",
    ),
    Family("detector_seconds_total", "counter", ("detector",), "CPU time of judging"),
    Family("judging_delay_seconds", "histogram", (), "From the receipt of a pushed query to its judgement"),
    Family("detector_threshold", "gauge", ("model", "detector"), "Score from which a query is flagged, in its unit"),
    Family("detector_window_queries", "gauge", ("model", "detector"), "Queries that the detector looks back on"),
    Family(
        "flagged_threshold_ratio",
        "gauge",
        ("model", "detector", "level"),
        "Share of flagged queries from which an alert of this level fires",
    ),
    Family("last_query_timestamp_seconds", "gauge", ("model",), "When the last query of the model was received"),
    Family(
        "model_silence_threshold_seconds", "gauge", ("model",), "Silence from which NoQueries fires, where configured"
    ),
    Family("queries_without_client_total", "counter", ("model",), "Judged queries that name no client"),
    Family("queries_id_reused_total", "counter", ("model",), "Queries whose id came before with other content"),
    Family("queue_queries", "gauge", (), "Queries that wait to be judged"),
    Family("queue_capacity_queries", "gauge", (), "Queries that may wait"),
    Family("open_intake", "gauge", (), "1 when anybody who reaches a non-loopback address may push"),
    Family("drop_files_total", "counter", (), "Files of the drop directory read to their end"),
    Family("drop_files_failed_total", "counter", ("reason",), "Files of the drop directory that hold a failure"),
    Family("drop_files_pending", "gauge", (), "Files of the drop directory that are seen and not yet read"),
    Family("model_info", "gauge", ("model", "version", "modality"), "1 for each watched model"),
    Family("folded_labels_total", "counter", ("label",), "Queries whose label value was folded into other"),
    Family("canary_last_success_timestamp_seconds", "gauge", (), "When a synthetic query last came through the intake"),
    Family("config_last_reload_successful", "gauge", (), "1 when the last reload of the configuration succeeded"),
    Family("config_last_reload_success_timestamp_seconds", "gauge", (), "When a configuration was last taken over"),
    Family("counter_epoch_timestamp_seconds", "gauge", (), "Since when the counters count without a gap"),
    Family("external_info", "gauge", ("url", "grafana_url"), "Addresses for the links in notifications"),
    Family("build_info", "gauge", ("version", "python_version"), "1, with the version of the program"),
    Family("series", "gauge", (), "Series on this page"),
    Family("series_dropped_total", "counter", (), "Series left out of a page because of limits.series"),
)
_BY_NAME = {family.name: family for family in FAMILIES}
LEVELS = ("warning", "critical")


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


class Heartbeat(Protocol):
    """When the canary last came through."""

    succeeded_at: float | None


@dataclass
class Exposed:
    """Where the numbers come from. The application changes it when the configuration is reloaded."""

    config: Config
    pipeline: Pipeline
    intake: Mapping[str, Intake]
    canary: Heartbeat
    files: Files | None = None
    open_intake: bool = False
    epoch: float = 0.0
    reload_successful: bool = True
    reloaded_at: float = 0.0
    series_dropped: int = field(default=0)


class Page:
    """The samples of one scrape, by family; a block of them goes on it whole or not at all."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.dropped = limit, 0, 0
        self._metrics: dict[str, Metric] = {}

    def add(self, block: "Block") -> None:
        """Put a block on the page, or count it as dropped when it does not fit."""
        if self.size + len(block.samples) > self.limit:
            self.dropped += len(block.samples)
            return
        self.size += len(block.samples)
        for family, sample in block.samples:
            metric = self._metrics.get(family.name)
            if metric is None:
                name = PREFIX + family.name.removesuffix("_total")
                metric = self._metrics[family.name] = Metric(name, family.help, family.type)
            metric.samples.append(sample)

    def metrics(self) -> Iterator[Metric]:
        """The families in the order of the table, those without a sample left out."""
        return (self._metrics[family.name] for family in FAMILIES if family.name in self._metrics)


class Block:
    """Samples that belong together."""

    def __init__(self) -> None:
        self.samples: list[tuple[Family, Sample]] = []

    def add(self, name: str, value: float, *labels: str) -> None:
        """One sample of a counter or gauge; label values in the order of the table."""
        family = _BY_NAME[name]
        self.samples.append((family, Sample(PREFIX + name, dict(zip(family.labels, labels, strict=True)), value)))

    def histogram(
        self,
        name: str,
        bounds: Sequence[str],
        counts: Sequence[int],
        total: float,
        *labels: str,
        exemplars: Sequence[Exemplar | None] | None = None,
    ) -> None:
        """A histogram from the counts per bucket (not cumulated, +Inf last)."""
        family, base = _BY_NAME[name], PREFIX + name
        shared, cumulated = dict(zip(family.labels, labels, strict=True)), 0
        for place, (bound, count) in enumerate(zip(bounds, counts, strict=True)):
            cumulated += count
            exemplar = exemplars[place] if exemplars else None
            self.samples.append((family, Sample(base + "_bucket", {**shared, "le": bound}, cumulated, None, exemplar)))
        self.samples.append((family, Sample(base + "_sum", shared, total)))
        self.samples.append((family, Sample(base + "_count", shared, cumulated)))


class VedetteCollector(Collector):
    """Fills the table from what the program counted, at each scrape."""

    def __init__(self, exposed: Exposed) -> None:
        self._exposed = exposed

    def collect(self) -> Iterator[Metric]:
        """The families of one page. Judging waits only while the counts are copied."""
        exposed = self._exposed
        page = Page(exposed.config.limits.series)
        with exposed.pipeline.lock:
            models = [(model, *_copied(model)) for model in exposed.pipeline.models.by_label.values()]
            judging = {tally.name: 0.0 for model, _, tallies in models for tally, _ in tallies}
            seconds = judging | exposed.pipeline.models.seconds
            delays, delay_sum = list(exposed.pipeline.delays), exposed.pipeline.delay_sum
        page.add(_own(exposed, seconds, delays, delay_sum))
        page.size += 2  # the two samples about the page itself
        for model, counts, tallies in models:
            page.add(_of_model(model, counts, tallies))
        exposed.series_dropped += page.dropped
        page.size -= 2
        page.add(_about(page, exposed))
        return page.metrics()


def _copied(model: WatchedModel) -> tuple[dict[str, Any], list[tuple[Tally, int | None]]]:
    counts = {
        "queries_total": model.queries,
        "suspicious_queries_total": model.suspicious,
        "queries_without_client_total": model.without_client,
        "queries_id_reused_total": model.ids_reused,
        "last_query_timestamp_seconds": model.last_query,
        "model_silence_threshold_seconds": model.config.expected_interval,
    }
    return counts, [(tally.snapshot(), _window(tally.detector)) for tally in model.tallies]


def _window(detector: Detector) -> int | None:
    try:
        return int(detector.window_queries())
    except Exception as error:  # a plug-in that fails at this is no reason to have no page
        log.warning("a detector does not say its window", extra={"detector": detector.name, "error": type(error).__name__})
        return None


def _own(exposed: Exposed, seconds: Mapping[str, float], delays: Sequence[int], delay_sum: float) -> Block:
    """What belongs to no model."""
    block, pipeline, config = Block(), exposed.pipeline, exposed.config
    for source, intake in exposed.intake.items():
        block.add("queries_accepted_total", intake.accepted, source)
        block.add("queries_duplicate_total", intake.duplicates, source)
        for reason in REJECTION_CODES:
            block.add("queries_rejected_total", intake.rejected.get(reason, 0), source, reason)
    for detector, spent in sorted(seconds.items()):
        block.add("detector_seconds_total", spent, detector)
    block.histogram("judging_delay_seconds", _bounds(DELAY_BUCKETS), delays, delay_sum)
    block.add("queue_queries", pipeline.waiting)
    block.add("queue_capacity_queries", pipeline.capacity)
    block.add("open_intake", exposed.open_intake)
    block.add("folded_labels_total", pipeline.models.folded, "model")
    if exposed.files is not None:
        block.add("drop_files_total", exposed.files.read)
        for reason, failed in exposed.files.failed.items():
            block.add("drop_files_failed_total", failed, reason)
        block.add("drop_files_pending", exposed.files.pending())
    if exposed.canary.succeeded_at is not None:
        block.add("canary_last_success_timestamp_seconds", exposed.canary.succeeded_at)
    block.add("config_last_reload_successful", exposed.reload_successful)
    block.add("config_last_reload_success_timestamp_seconds", exposed.reloaded_at)
    block.add("counter_epoch_timestamp_seconds", exposed.epoch)
    block.add("external_info", 1, config.external.url, config.external.grafana_url or "")
    block.add("build_info", 1, VERSION, platform.python_version())
    return block


def _of_model(model: WatchedModel, counts: Mapping[str, Any], tallies: Sequence[tuple[Tally, int | None]]) -> Block:
    block, label = Block(), model.name
    block.add("model_info", 1, label, model.config.version, model.config.modality)
    for name, value in counts.items():
        if value is not None:
            block.add(name, value, label)
    for tally, window in tallies:
        _of_tally(block, label, tally, window)
    return block


def _of_tally(block: Block, model: str, tally: Tally, window: int | None) -> None:
    detector, share = tally.name, tally.config.alert_share
    block.add("detector_judgements_total", tally.judgements, model, detector)
    block.add("detector_flags_total", tally.flags, model, detector)
    for reason in SKIP_REASONS:
        block.add("detector_skipped_total", tally.skipped[reason], model, detector, reason)
    for reason in ERROR_REASONS:
        block.add("detector_errors_total", tally.errors[reason], model, detector, reason)
    block.histogram(
        "detection_score",
        _bounds(tuple(tally.bounds.tolist())),
        tally.scores.tolist(),
        tally.score_sum,
        model,
        detector,
        exemplars=[_exemplar(kept) for kept in tally.exemplars],
    )
    block.add("detector_threshold", float(tally.detector.threshold), model, detector)
    if window is not None:
        block.add("detector_window_queries", window, model, detector)
    for level in LEVELS:
        block.add("flagged_threshold_ratio", getattr(share, level), model, detector, level)


def _about(page: Page, exposed: Exposed) -> Block:
    block = Block()
    block.add("series", page.size + 2)
    block.add("series_dropped_total", exposed.series_dropped)
    return block


@lru_cache(maxsize=64)
def _bounds(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Upper bounds as they stand in `le`."""
    return tuple(floatToGoString(bound) for bound in (*bounds, np.inf))


def _exemplar(kept: tuple[str, float, float] | None) -> Exemplar | None:
    if kept is None:
        return None
    query_id, score, timestamp = kept
    # at most 128 characters with the name; a zero byte in it would make Prometheus refuse the whole page
    return Exemplar({"query_id": label_value(query_id)[:100]}, score, timestamp)
