"""What belongs to no model: intake, judging, HTTP, files, configuration, and what is kept on the disk."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.access.gate import FAILURES
from exporter.formats import REJECTION_CODES, SAMPLE_REJECTION_CODES
from exporter.history.recorder import DROP_REASONS, WRITE_BUCKETS, Recorder
from exporter.metrics.exposed import Exposed, Files, Http, Intake, Keeper
from exporter.metrics.page import NO_LABELS, Block, le_values
from exporter.pipeline import DELAY_BUCKETS, Pipeline
from exporter.storage.journal import SYNC_BUCKETS, Journal
from exporter.version import VERSION


class Judging(NamedTuple):
    """What judging took. seconds: of CPU by detector; delays: queries by bucket, not cumulated; delay_sum: seconds.

    ahead: seconds by which it goes on ahead of a clock that was set back.
    """

    seconds: Mapping[str, float]
    delays: Sequence[int]
    delay_sum: float
    ahead: float


def of_service(exposed: Exposed, judging: Judging) -> Block:
    """The samples of the program itself."""
    block = Block()
    for source, intake in exposed.intake.items():
        _taken(block, source, intake)
    for source, intake in exposed.samples.items():
        block.add("samples_accepted_total", intake.accepted, {"source": source})
        _by_reason(block, "samples_rejected_total", SAMPLE_REJECTION_CODES, intake.rejected, {"source": source})
    _judged(block, judging)
    _queue(block, exposed.pipeline)
    if not exposed.is_replaying:  # what a restart continues is not there before
        block.add("folded_labels_total", exposed.pipeline.models.folded, {"label": "model"})
    _access(block, exposed)
    if exposed.files is not None:
        _files(block, exposed.files)
    if exposed.canary.succeeded_at is not None:
        block.add("canary_last_success_timestamp_seconds", exposed.canary.succeeded_at)
    _configured(block, exposed)
    _kept(block, exposed)
    return block


def _taken(block: Block, source: str, intake: Intake) -> None:
    block.add("queries_accepted_total", intake.accepted, {"source": source})
    block.add("queries_duplicate_total", intake.duplicates, {"source": source})
    _by_reason(block, "queries_rejected_total", REJECTION_CODES, intake.rejected, {"source": source})


def _judged(block: Block, judging: Judging) -> None:
    for detector, spent in sorted(judging.seconds.items()):
        block.add("detector_seconds_total", spent, {"detector": detector})
    block.add("clock_ahead_seconds", judging.ahead)
    block.histogram("judging_delay_seconds", le_values(DELAY_BUCKETS), judging.delays, judging.delay_sum)


def _queue(block: Block, pipeline: Pipeline) -> None:
    block.add("queue_queries", pipeline.waiting)
    block.add("queue_capacity_queries", pipeline.capacity)


def _access(block: Block, exposed: Exposed) -> None:
    if exposed.http is not None:
        _http(block, exposed.http)
    block.add("open_intake", exposed.open_intake())
    if exposed.gate is not None:
        _by_reason(block, "authentication_failures_total", FAILURES, exposed.gate.counts.failures)
        block.add("rate_limited_total", exposed.gate.counts.rate_limited)


def _http(block: Block, http: Http) -> None:
    block.add("http_connections", len(http.open))
    _by_reason(block, "http_connections_closed_total", http.closed, http.closed)


def _files(block: Block, files: Files) -> None:
    block.add("drop_files_total", files.read)
    _by_reason(block, "drop_files_failed_total", files.failed, files.failed)
    block.add("drop_files_pending", files.pending())


def _configured(block: Block, exposed: Exposed) -> None:
    external = exposed.config.external
    block.add("config_last_reload_successful", exposed.reload_successful)
    block.add("config_last_reload_success_timestamp_seconds", exposed.reloaded_at)
    if exposed.web_is_good is not None:
        block.add("web_config_last_reload_successful", exposed.web_is_good())
    block.add("external_info", 1, {"url": external.url, "grafana_url": external.grafana_url or ""})
    block.add("build_info", 1, {"version": VERSION})


def _kept(block: Block, exposed: Exposed) -> None:
    if exposed.keeper is not None:
        _snapshots(block, exposed.keeper)
        block.add("snapshot_interval_seconds", exposed.config.storage.snapshot_interval)
    if exposed.journal is not None:
        _journal(block, exposed.journal)
    if exposed.history is not None:
        _history(block, exposed.history)
    if exposed.state is not None:
        with contextlib.suppress(OSError):
            disk = shutil.disk_usage(exposed.state)
            block.add("storage_free_bytes", disk.free)
            block.add("storage_size_bytes", disk.total)


def _snapshots(block: Block, keeper: Keeper) -> None:
    block.add("replay_active", keeper.recovering)
    block.add("replayed_queries", keeper.replayed)
    if not keeper.recovering:
        block.add("counter_epoch_timestamp_seconds", keeper.epoch)
    block.add("snapshot_last_success_timestamp_seconds", keeper.saved_at)
    if keeper.seconds is not None:
        block.add("snapshot_duration_seconds", keeper.seconds)
    block.add("snapshot_failures_total", keeper.failures)
    block.add("snapshots_set_aside_total", keeper.set_aside)


def _journal(block: Block, journal: Journal) -> None:
    block.add("journal_bytes", journal.size_bytes)
    block.add("journal_capacity_bytes", journal.max_bytes)
    block.add("journal_torn_records_total", journal.torn_records)
    block.histogram("journal_sync_seconds", le_values(SYNC_BUCKETS), journal.sync_counts, journal.sync_seconds)


def _history(block: Block, history: Recorder) -> None:
    for kind, rows in sorted(history.written.copy().items()):
        block.add("history_rows_total", rows, {"kind": kind})
    _by_reason(block, "history_dropped_total", DROP_REASONS, history.dropped)
    block.add("history_queue_rows", history.waiting)
    block.add("history_queue_capacity_rows", history.capacity)
    block.histogram("history_write_seconds", le_values(WRITE_BUCKETS), history.write_counts, history.write_seconds)
    block.add("history_write_failures_total", history.failures)
    block.add("history_up", history.is_up)
    if history.succeeded_at is not None:
        block.add("history_last_success_timestamp_seconds", history.succeeded_at)
    if history.size_bytes is not None:
        block.add("history_database_bytes", history.size_bytes)
    block.add("history_database_capacity_bytes", history.config.history.max_bytes)


def _by_reason(
    block: Block, name: str, reasons: Iterable[str], counts: Mapping[str, int], labels: Mapping[str, str] = NO_LABELS
) -> None:
    """A counter for each reason that there can be, from 0 on."""
    for reason in reasons:
        block.add(name, counts.get(reason, 0), {**labels, "reason": reason})
