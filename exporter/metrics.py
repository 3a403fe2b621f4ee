"""Every metric that the program exposes: names, types, labels, meaning; and the Collector that fills them.

Results become metrics here and nowhere else, fresh at each scrape. The table is what the documentation, the rules
and the dashboards are checked against.
"""

import contextlib
import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, chain, repeat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from detectors import Detector
from exporter.access.gate import FAILURES, Gate
from exporter.clients.exposition import Line
from exporter.clients.exposition import lines as of_clients
from exporter.config import Config
from exporter.drift.exposition import lines as of_drift
from exporter.formats import REJECTION_CODES, SAMPLE_REJECTION_CODES
from exporter.health.exposition import BOUNDS as DURATION_BOUNDS
from exporter.health.exposition import lines as of_health
from exporter.health.exposition import top as of_top_clients
from exporter.health.inferences import Durations
from exporter.history.recorder import DROP_REASONS, WRITE_BUCKETS, Recorder
from exporter.judging import CLIENTS
from exporter.labels import label_value
from exporter.models import ERROR_REASONS, SKIP_REASONS, Tally, WatchedModel
from exporter.pipeline import DELAY_BUCKETS, Pipeline
from exporter.storage.journal import SYNC_BUCKETS, Journal
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
    Family(
        "client_suspicion_ratio",
        "gauge",
        ("model", "client"),
        "Evidence against a client in parts of what raises an alarm, 0 to 4; only the most suspicious, for dashboards",
    ),
    Family(
        "client_alarm",
        "gauge",
        ("model", "client"),
        "1 for a client in alarm, 2 for a severe one, until 15 minutes (alarm_hold) after the last evidence",
    ),
    Family(
        "client_evidence_ratio",
        "gauge",
        ("model", "client", "family"),
        "Most evidence of a family since the alarm of the client began, in parts of what raises an alarm, 0 to 4",
    ),
    Family("client_alarms_hidden", "gauge", ("model",), "Clients in alarm beyond those that are exposed one by one"),
    Family("clients", "gauge", ("model", "level"), "Clients that were active in the last hour"),
    Family("client_alarms_total", "counter", ("model", "family"), "Clients that came into alarm"),
    Family("client_dismissals_total", "counter", ("model", "family"), "Alarms that people dismissed as false"),
    Family(
        "query_clusters",
        "gauge",
        ("model", "accounts"),
        "Clusters of near variants in alarm that grew in the last 15 minutes (alarm_hold)",
    ),
    Family(
        "evidence_off",
        "gauge",
        ("model", "detector"),
        "1 for evidence that says nothing about this model, since its natural queries have it too",
    ),
    Family("authentication_failures_total", "counter", ("reason",), "Requests that were not let in"),
    Family("rate_limited_total", "counter", (), "Requests beyond access.rate_limit"),
    Family("queue_queries", "gauge", (), "Queries that wait to be judged"),
    Family("queue_capacity_queries", "gauge", (), "Queries that may wait"),
    Family("http_connections", "gauge", (), "Open HTTP connections"),
    Family(
        "http_connections_closed_total", "counter", ("reason",), "HTTP connections closed because they broke a bound"
    ),
    Family("open_intake", "gauge", (), "1 when anybody who reaches a non-loopback address may push"),
    Family("drop_files_total", "counter", (), "Files of the drop directory read to their end"),
    Family("drop_files_failed_total", "counter", ("reason",), "Files of the drop directory that hold a failure"),
    Family("drop_files_pending", "gauge", (), "Files of the drop directory that are seen and not yet read"),
    Family("model_info", "gauge", ("model", "version", "modality", "stage"), "1 for each watched model"),
    Family("inferences_total", "counter", ("model",), "Inferences: queries, and samples that belong to no query"),
    Family("inference_failures_total", "counter", ("model", "reason"), "Inferences that ended in an error"),
    Family("inference_duration_seconds", "histogram", ("model",), "Time that an inference took, where it is told"),
    Family("time_to_first_token_seconds", "histogram", ("model",), "From the request to the first token of the answer"),
    Family("tokens_total", "counter", ("model", "direction"), "Tokens read and written"),
    Family("cost_dollars_total", "counter", ("model",), "Cost of inferences: as it was told, else by the prices"),
    Family(
        "resource_utilization_ratio",
        "gauge",
        ("model", "resource"),
        "Share of a resource in use: the largest that an instance pushed in the last 5 minutes",
    ),
    Family("pushed_error_ratio", "gauge", ("model",), "Error rate as an instance pushed it, the largest of 5 minutes"),
    Family(
        "pushed_throughput_per_second",
        "gauge",
        ("model",),
        "Throughput as an instance pushed it, the largest of 5 minutes",
    ),
    Family("model_latency_threshold_seconds", "gauge", ("model",), "Latency from which ModelLatencyHigh fires"),
    Family("model_error_threshold_ratio", "gauge", ("model",), "Share of failures from which ModelErrorsHigh fires"),
    Family(
        "model_resource_threshold_ratio",
        "gauge",
        ("model", "resource"),
        "Share of a resource from which ModelResourceHigh fires",
    ),
    Family(
        "model_cost_threshold_dollars", "gauge", ("model",), "Dollars an hour from which ModelCostHigh fires, where set"
    ),
    Family("model_objective_ratio", "gauge", ("model", "slo"), "Share of good events that is the objective"),
    Family("slo_events_total", "counter", ("model", "slo"), "Inferences that count for an objective"),
    Family("slo_bad_events_total", "counter", ("model", "slo"), "Inferences that missed it"),
    Family(
        "top_client_queries",
        "gauge",
        ("model", "client"),
        "The clients with the most queries in the last one to two hours, about; for dashboards",
    ),
    Family(
        "top_client_cost_dollars",
        "gauge",
        ("model", "client"),
        "The clients that cost most in the last one to two hours, about; for dashboards",
    ),
    Family(
        "samples_accepted_total",
        "counter",
        ("source",),
        "Samples of inferences and custom metrics, and true labels, taken in",
    ),
    Family("samples_rejected_total", "counter", ("source", "reason"), "Samples refused at intake"),
    Family("folded_labels_total", "counter", ("label",), "Queries whose label value was folded into other"),
    Family("canary_last_success_timestamp_seconds", "gauge", (), "When a synthetic query last came through the intake"),
    Family("config_last_reload_successful", "gauge", (), "1 when the last reload of the configuration succeeded"),
    Family("config_last_reload_success_timestamp_seconds", "gauge", (), "When a configuration was last taken over"),
    Family("web_config_last_reload_successful", "gauge", (), "1 when web file and certificates were last read well"),
    Family("counter_epoch_timestamp_seconds", "gauge", (), "Since when the counters count without a gap"),
    Family("external_info", "gauge", ("url", "grafana_url"), "Addresses for the links in notifications"),
    Family("build_info", "gauge", ("version",), "1, with the version of the program"),
    Family("replay_active", "gauge", (), "1 while the journal is judged again after a start; nothing is taken in yet"),
    Family("replayed_queries", "gauge", (), "Queries of the journal that were judged again at the last start"),
    Family("journal_bytes", "gauge", (), "Size of the journal"),
    Family("journal_capacity_bytes", "gauge", (), "Size that the journal may have: storage.journal_bytes"),
    Family("journal_sync_seconds", "histogram", (), "Time of a sync to the disk, which many pushes share"),
    Family("journal_torn_records_total", "counter", (), "Torn ends of the journal that were cut off at the start"),
    Family("snapshot_last_success_timestamp_seconds", "gauge", (), "When a snapshot was last written"),
    Family("snapshot_duration_seconds", "gauge", (), "Time that the last snapshot took"),
    Family("snapshot_interval_seconds", "gauge", (), "Time between two snapshots: storage.snapshot_interval"),
    Family("snapshot_failures_total", "counter", (), "Snapshots that could not be written"),
    Family("snapshots_set_aside_total", "counter", (), "Snapshots that were broken or of another version"),
    Family("storage_free_bytes", "gauge", (), "Free space of the disk under storage.path"),
    Family("storage_size_bytes", "gauge", (), "Size of the disk under storage.path"),
    Family("warm_up_ratio", "gauge", ("model", "detector"), "How far the detector has learned; 1 when it judges"),
    Family(
        "drift_severity_level",
        "gauge",
        ("model",),
        "Drift in the last window: 0 none, 1 low, 2 medium, 3 high, 4 critical",
    ),
    Family("drift_features", "gauge", ("model", "state"), "Features of the last window that were tested, and drifted"),
    Family(
        "drift_score",
        "gauge",
        ("model", "feature", "method"),
        "Size of the change of the most drifted features: ks 0 to 1, psi, wasserstein in sd of the reference",
    ),
    Family("drift_last_window_timestamp_seconds", "gauge", ("model",), "When the last tested window ended"),
    Family("drift_windows_total", "counter", ("model", "result"), "Full windows, and whether they were tested"),
    Family(
        "reference_info",
        "gauge",
        ("model", "source", "reference_version"),
        "1 for the reference with which windows are compared",
    ),
    Family("model_accuracy_ratio", "gauge", ("model",), "Share of right ones among the last labelled predictions"),
    Family("model_accuracy_usual_ratio", "gauge", ("model",), "Share of right ones among the first labelled ones"),
    Family("concept_drift_active", "gauge", ("model",), "1 while predictions are wrong more often than usual"),
    Family("history_rows_total", "counter", ("kind",), "Rows written to the history"),
    Family("history_dropped_total", "counter", ("reason",), "Rows that were not written to the history"),
    Family("history_queue_rows", "gauge", (), "Rows that wait to be written to the history"),
    Family("history_queue_capacity_rows", "gauge", (), "Rows that may wait: history.queue_rows"),
    Family("history_write_seconds", "histogram", (), "Time of writing a batch of the history"),
    Family("history_write_failures_total", "counter", (), "Attempts at which the database of the history failed"),
    Family("history_up", "gauge", (), "1 when the database of the history took what it was last given"),
    Family("history_last_success_timestamp_seconds", "gauge", (), "When the database of the history last answered"),
    Family("history_database_bytes", "gauge", (), "Size of the tables of the history"),
    Family("history_database_capacity_bytes", "gauge", (), "Size that they may have: history.max_bytes"),
    Family("anomaly_score", "gauge", ("query", "series"), "How odd the last point of a series is; 1 is the line"),
    Family("anomaly_value", "gauge", ("query", "series"), "Last value of a learned series, in its own unit"),
    Family("anomaly_expected", "gauge", ("query", "series"), "Value that was expected then, in the unit of the series"),
    Family("anomaly_lower", "gauge", ("query", "series"), "Lower edge of the band that holds 95 % of the values"),
    Family("anomaly_upper", "gauge", ("query", "series"), "Upper edge of the band that holds 95 % of the values"),
    Family(
        "anomaly_component_ratio",
        "gauge",
        ("query", "series", "component"),
        "Share of a component in the worst score of an incident that lasts",
    ),
    Family("anomaly_series_info", "gauge", ("query", "series", "name"), "1 while an incident of the series lasts"),
    Family("anomaly_series", "gauge", ("query", "state"), "Series of a query: ready, or warming up"),
    Family("anomaly_incidents_open", "gauge", ("query",), "Series of the query whose incident lasts"),
    Family("anomaly_incidents_total", "counter", ("query",), "Incidents that began while it was looked at"),
    Family("anomaly_incidents_week", "gauge", ("query",), "Incidents of the last seven days"),
    Family("anomaly_incidents_budget", "gauge", ("query",), "Incidents of seven days beyond which it mutes itself"),
    Family("anomaly_muted", "gauge", ("query",), "1 while the query is over its budget of incidents"),
    Family("anomaly_precision_ratio", "gauge", ("query",), "Share of its reviewed incidents that were confirmed"),
    Family(
        "anomaly_component_precision_ratio",
        "gauge",
        ("component",),
        "Share of the reviewed incidents, in which this component said most, that were confirmed",
    ),
    Family("anomaly_points_skipped_total", "counter", ("query", "reason"), "Points that were read and not judged"),
    Family("anomaly_points_dropped_total", "counter", ("query",), "Points of series beyond the bound of the query"),
    Family("anomaly_last_point_timestamp_seconds", "gauge", ("query",), "Time of the newest point of the query"),
    Family("anomaly_silence_threshold_seconds", "gauge", ("query",), "Age of the newest point from which it is blind"),
    Family("anomaly_read_errors_total", "counter", ("query", "reason"), "Attempts to read a query that failed"),
    Family("anomaly_log_failures_total", "counter", (), "Anomalies that could not be written to the disk"),
    Family("baseline_ready", "gauge", ("query",), "1 when the query has learned and judges"),
    Family("baseline_age_seconds", "gauge", ("query",), "Time since the query last learned"),
    Family("baseline_points", "gauge", ("query",), "Points that it learned from, of all its series"),
    Family("baseline_training_seconds", "gauge", ("query",), "Time that its last learning took, with the reading"),
    Family(
        "baseline_shift_ratio",
        "gauge",
        ("query",),
        "How far the last learning moved what is expected, in half widths of the band; median of the series",
    ),
    Family("group_anomaly_score", "gauge", ("group",), "How odd the members of a group are together; 1 is the line"),
    Family("group_anomaly_incidents_open", "gauge", ("group",), "Places of the group whose incident lasts"),
    Family(
        "group_anomaly_member_ratio",
        "gauge",
        ("group", "query", "series"),
        "Share of a member in the score of a group whose incident lasts",
    ),
    Family("series", "gauge", (), "Series on this page"),
    Family("series_dropped_total", "counter", (), "Series left out of a page because of limits.series"),
)
_FULL = {family.name: PREFIX + family.name for family in FAMILIES}
_NO_LABELS: dict[str, str] = {}
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
    saved_at: float | None
    seconds: float
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
    blocks: Callable[[], Iterable["Block"]] = tuple


class Page:
    """The samples of one scrape, by family; a block of them goes on it whole or not at all."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.dropped = limit, 0, 0
        self._samples: dict[str, list[Sample]] = {}

    def add(self, block: "Block") -> None:
        """Put a block on the page, or count it as dropped when it does not fit."""
        if not self.has_room(sum(map(len, block.samples.values()))):
            return
        for name, samples in block.samples.items():
            self._samples.setdefault(name, []).extend(samples)

    def has_room(self, size: int) -> bool:
        """Take room for so many samples, or count them as dropped."""
        if self.size + size > self.limit:
            self.dropped += size
            return False
        self.size += size
        return True

    def metrics(self) -> Iterator[Metric]:
        """The families in the order of the table, those without a sample left out."""
        for family in FAMILIES:
            if samples := self._samples.get(family.name):
                metric = Metric(PREFIX + family.name.removesuffix("_total"), family.help, family.type)
                metric.samples = samples
                yield metric


class Block:
    """Samples that belong together, by family."""

    def __init__(self) -> None:
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)

    def add(self, name: str, value: float, labels: dict[str, str] = _NO_LABELS) -> None:
        """One sample of a counter or gauge."""
        self.samples[name].append(Sample(_FULL[name], labels, value))

    def add_lines(self, lines: Iterable[Line], labels: dict[str, str]) -> None:
        """Samples that come with labels of their own besides these."""
        for name, value, other in lines:
            self.add(name, value, {**labels, **other})

    def histogram(
        self,
        name: str,
        bounds: Sequence[str],
        counts: Sequence[int],
        total: float,
        labels: dict[str, str] = _NO_LABELS,
        exemplars: Iterable[Exemplar | None] = repeat(None),
    ) -> None:
        """A histogram from the counts per bucket (not cumulated, +Inf last)."""
        full = _FULL[name]
        bucket, cumulated = full + "_bucket", list(accumulate(counts))
        samples = self.samples[name]
        samples += [
            Sample(bucket, {**labels, "le": bound}, count, None, exemplar)
            for bound, count, exemplar in zip(bounds, cumulated, exemplars, strict=False)
        ]
        samples.append(Sample(full + "_sum", labels, total))
        samples.append(Sample(full + "_count", labels, cumulated[-1]))


class VedetteCollector(Collector):
    """Fills the table from what the program counted, at each scrape.

    process: collectors of what the process itself uses; their series count too, and are never left out.
    """

    def __init__(self, exposed: Exposed, process: Sequence[Collector] = ()) -> None:
        self._exposed, self._process = exposed, process

    def collect(self) -> Iterator[Metric]:
        """The families of one page. Judging waits only while the counts are copied."""
        exposed = self._exposed
        process = [metric for collector in self._process for metric in collector.collect()]
        page = Page(exposed.config.limits.series)
        page.size = sum(len(metric.samples) for metric in process)
        replaying = exposed.keeper is not None and exposed.keeper.recovering
        wall = exposed.clock()
        with exposed.pipeline.weighed(parts=1):
            labels = {} if replaying else exposed.pipeline.models.by_label
            models = [(model, *_copied(model)) for model in labels.values()]
            more = {model.name: _more(model, wall, exposed.shown) for model in labels.values()}
            top = {model.name: _top(model, wall, exposed.shown) for model in labels.values()}
            judging = {tally.name: 0.0 for _, _, tallies, _ in models for tally, _ in tallies} | {CLIENTS: 0.0}
            seconds = {} if replaying else judging | exposed.pipeline.models.seconds
            delays, delay_sum = list(exposed.pipeline.delays), exposed.pipeline.delay_sum
        page.add(_own(exposed, seconds, delays, delay_sum))
        page.size += 2  # the two samples about the page itself
        for model, counts, tallies, durations in models:
            block = _of_model(model, counts, tallies, more[model.name])
            for name, taken in durations.items():
                block.histogram(name, DURATION_BOUNDS, taken.counts, taken.seconds, {"model": model.name})
            page.add(block)
        for name, lines in top.items():
            block = Block()
            block.add_lines(lines, {"model": name})
            page.add(block)
        for block in exposed.blocks():
            page.add(block)
        custom = [] if replaying else list(exposed.pipeline.custom.metrics(wall))
        custom = [metric for metric in custom if page.has_room(len(metric.samples))]
        exposed.series_dropped += page.dropped
        page.size -= 2
        page.add(_about(page, exposed))
        return chain(page.metrics(), custom, process)


def _copied(model: WatchedModel) -> tuple[dict[str, Any], list[tuple[Tally, int | None]], dict[str, Durations]]:
    counts = {
        "queries_total": model.queries,
        "suspicious_queries_total": model.suspicious,
        "queries_without_client_total": model.without_client,
        "queries_id_reused_total": model.ids_reused,
        "last_query_timestamp_seconds": model.last_query,
        "model_silence_threshold_seconds": model.config.expected_interval,
    }
    tallies = [(tally.snapshot(), _window(tally.detector)) for tally in model.tallies]
    return counts, tallies, model.health.histograms()


def _more(model: WatchedModel, wall: float, shown: Callable[[str], str]) -> list[Line]:
    """What is known of a model's inferences, of its clients and of its drift."""
    found: list[Line] = of_health(model.health, model.config.modality, wall)
    if model.suspicion is not None:
        found += of_clients(model.suspicion, model.now(wall), lambda client: label_value(shown(client)))
        errors = {"detector": CLIENTS, "reason": "exception"}
        found.append(("detector_errors_total", model.suspicion_errors, errors))
    if model.drift is not None:
        found += of_drift(model.drift, label_value)
    return found


def _top(model: WatchedModel, wall: float, shown: Callable[[str], str]) -> list[Line]:
    return of_top_clients(model.health, model.now(wall), lambda client: label_value(shown(client)))


def _window(detector: Detector) -> int | None:
    try:
        return int(detector.window_queries())
    except Exception as error:  # a plug-in that fails at this is no reason to have no page
        log.warning(
            "a detector does not say its window", extra={"detector": detector.name, "error": type(error).__name__}
        )
        return None


def _own(exposed: Exposed, seconds: Mapping[str, float], delays: Sequence[int], delay_sum: float) -> Block:
    """What belongs to no model."""
    block, pipeline, config = Block(), exposed.pipeline, exposed.config
    for source, intake in exposed.intake.items():
        block.add("queries_accepted_total", intake.accepted, {"source": source})
        block.add("queries_duplicate_total", intake.duplicates, {"source": source})
        for reason in REJECTION_CODES:
            block.add("queries_rejected_total", intake.rejected.get(reason, 0), {"source": source, "reason": reason})
    for source, intake in exposed.samples.items():
        block.add("samples_accepted_total", intake.accepted, {"source": source})
        for reason in SAMPLE_REJECTION_CODES:
            block.add("samples_rejected_total", intake.rejected.get(reason, 0), {"source": source, "reason": reason})
    for detector, spent in sorted(seconds.items()):
        block.add("detector_seconds_total", spent, {"detector": detector})
    block.histogram("judging_delay_seconds", _bounds(DELAY_BUCKETS), delays, delay_sum)
    block.add("queue_queries", pipeline.waiting)
    block.add("queue_capacity_queries", pipeline.capacity)
    if exposed.http is not None:
        block.add("http_connections", len(exposed.http.open))
        for reason, closed in exposed.http.closed.items():
            block.add("http_connections_closed_total", closed, {"reason": reason})
    block.add("open_intake", exposed.open_intake())
    if exposed.gate is not None:
        for reason in FAILURES:
            block.add("authentication_failures_total", exposed.gate.counts.failures[reason], {"reason": reason})
        block.add("rate_limited_total", exposed.gate.counts.rate_limited)
    if exposed.keeper is None or not exposed.keeper.recovering:  # what a restart continues is not there before
        block.add("folded_labels_total", pipeline.models.folded, {"label": "model"})
    if exposed.files is not None:
        block.add("drop_files_total", exposed.files.read)
        for reason, failed in exposed.files.failed.items():
            block.add("drop_files_failed_total", failed, {"reason": reason})
        block.add("drop_files_pending", exposed.files.pending())
    if exposed.canary.succeeded_at is not None:
        block.add("canary_last_success_timestamp_seconds", exposed.canary.succeeded_at)
    block.add("config_last_reload_successful", exposed.reload_successful)
    block.add("config_last_reload_success_timestamp_seconds", exposed.reloaded_at)
    if exposed.keeper is not None:
        _kept(block, exposed.keeper)
        block.add("snapshot_interval_seconds", config.storage.snapshot_interval)
    if exposed.journal is not None:
        _journal(block, exposed.journal)
    if exposed.history is not None:
        _history(block, exposed.history)
    if exposed.state is not None:
        with contextlib.suppress(OSError):
            disk = shutil.disk_usage(exposed.state)
            block.add("storage_free_bytes", disk.free)
            block.add("storage_size_bytes", disk.total)
    if exposed.web_is_good is not None:
        block.add("web_config_last_reload_successful", exposed.web_is_good())
    block.add("external_info", 1, {"url": config.external.url, "grafana_url": config.external.grafana_url or ""})
    block.add("build_info", 1, {"version": VERSION})
    return block


def _kept(block: Block, keeper: Keeper) -> None:
    block.add("replay_active", keeper.recovering)
    block.add("replayed_queries", keeper.replayed)
    if not keeper.recovering:
        block.add("counter_epoch_timestamp_seconds", keeper.epoch)
    if keeper.saved_at is not None:
        block.add("snapshot_last_success_timestamp_seconds", keeper.saved_at)
        block.add("snapshot_duration_seconds", keeper.seconds)
    block.add("snapshot_failures_total", keeper.failures)
    block.add("snapshots_set_aside_total", keeper.set_aside)


def _journal(block: Block, journal: Journal) -> None:
    block.add("journal_bytes", journal.size_bytes)
    block.add("journal_capacity_bytes", journal.max_bytes)
    block.add("journal_torn_records_total", journal.torn_records)
    block.histogram("journal_sync_seconds", _bounds(SYNC_BUCKETS), journal.sync_counts, journal.sync_seconds)


def _history(block: Block, history: Recorder) -> None:
    for kind, rows in sorted(history.written.copy().items()):
        block.add("history_rows_total", rows, {"kind": kind})
    for reason in DROP_REASONS:
        block.add("history_dropped_total", history.dropped[reason], {"reason": reason})
    block.add("history_queue_rows", history.waiting)
    block.add("history_queue_capacity_rows", history.capacity)
    block.histogram("history_write_seconds", _bounds(WRITE_BUCKETS), history.write_counts, history.write_seconds)
    block.add("history_write_failures_total", history.failures)
    block.add("history_up", history.is_up)
    if history.succeeded_at is not None:
        block.add("history_last_success_timestamp_seconds", history.succeeded_at)
    if history.size_bytes is not None:
        block.add("history_database_bytes", history.size_bytes)
    block.add("history_database_capacity_bytes", history.config.history.max_bytes)


def _of_model(
    model: WatchedModel, counts: Mapping[str, Any], tallies: Sequence[tuple[Tally, int | None]], more: Iterable[Line]
) -> Block:
    block, labels = Block(), {"model": model.name}
    config = model.config
    described = {"version": config.version, "modality": config.modality, "stage": config.environment or ""}
    block.add("model_info", 1, {**labels, **described})
    for name, value in counts.items():
        if value is not None:
            block.add(name, value, labels)
    for tally, window in tallies:
        _of_tally(block, {**labels, "detector": tally.name}, tally, window)
    block.add_lines(more, labels)
    return block


def _of_tally(block: Block, labels: dict[str, str], tally: Tally, window: int | None) -> None:
    block.add("detector_judgements_total", tally.judgements, labels)
    block.add("detector_flags_total", tally.flags, labels)
    for reason in SKIP_REASONS:
        block.add("detector_skipped_total", tally.skipped[reason], {**labels, "reason": reason})
    for reason in ERROR_REASONS:
        block.add("detector_errors_total", tally.errors[reason], {**labels, "reason": reason})
    exemplars = map(_exemplar, tally.exemplars)
    bounds = _bounds(tuple(tally.bounds.tolist()))
    block.histogram("detection_score", bounds, tally.scores.tolist(), tally.score_sum, labels, exemplars)
    block.add("detector_threshold", float(tally.detector.threshold), labels)
    if window is not None:
        block.add("detector_window_queries", window, labels)
    for level in LEVELS:
        block.add("flagged_threshold_ratio", getattr(tally.config.alert_share, level), {**labels, "level": level})


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
