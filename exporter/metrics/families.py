"""Every metric that the program exposes: name, type, labels, meaning.

The table is what the collector, the documentation, the rules and the dashboards are held to.
"""

from functools import partial
from typing import NamedTuple


class Family(NamedTuple):
    """A metric: its type, its name without the prefix, its labels and its meaning. Counters end in _total."""

    type: str
    name: str
    labels: tuple[str, ...]
    help: str


_counter, _gauge, _histogram = (partial(Family, kind) for kind in ("counter", "gauge", "histogram"))

PREFIX = "vedette_"
#: in the order of the page
FAMILIES = (
    _counter("queries_accepted_total", ("source",), "Queries taken in, duplicates included"),
    _counter("queries_rejected_total", ("source", "reason"), "Records refused at intake"),
    _counter("queries_duplicate_total", ("source",), "Queries that were taken before and not judged again"),
    _counter("queries_total", ("model",), "Queries judged"),
    _counter("suspicious_queries_total", ("model",), "Queries that at least one detector flagged"),
    _counter("detector_judgements_total", ("model", "detector"), "Scores computed"),
    _counter("detector_flags_total", ("model", "detector"), "Scores at or above the threshold"),
    _counter("detector_skipped_total", ("model", "detector", "reason"), "Queries that the detector cannot judge"),
    _counter("detector_errors_total", ("model", "detector", "reason"), "Queries on which the detector failed"),
    _histogram(
        "detection_score",
        ("model", "detector"),
        "Scores; entropies divided by ln k. Buckets differ between detectors: never aggregate over detector",
    ),
    _counter("detector_seconds_total", ("detector",), "CPU time of judging"),
    _histogram("judging_delay_seconds", (), "From the receipt of a pushed query to its judgement"),
    _gauge("detector_threshold", ("model", "detector"), "Score from which a query is flagged, in its unit"),
    _gauge("detector_window_queries", ("model", "detector"), "Queries that the detector looks back on"),
    _gauge(
        "flagged_threshold_ratio",
        ("model", "detector", "level"),
        "Share of flagged queries from which an alert of this level fires",
    ),
    _gauge("last_query_timestamp_seconds", ("model",), "When the last query of the model was received"),
    _gauge("model_silence_threshold_seconds", ("model",), "Silence from which NoQueries fires, where configured"),
    _counter("queries_without_client_total", ("model",), "Judged queries that name no client"),
    _counter("queries_id_reused_total", ("model",), "Queries whose id came before with other content"),
    _counter(
        "queries_of_future_total", ("model",), "Queries whose own time was ahead of ours by a minute; judged as of now"
    ),
    _gauge(
        "client_suspicion_ratio",
        ("model", "client"),
        "Evidence against a client in parts of what raises an alarm, 0 to 4; only the most suspicious, for dashboards",
    ),
    _gauge(
        "client_alarm",
        ("model", "client"),
        "1 for a client in alarm, 2 for a severe one, until 15 minutes (alarm_hold) after the last evidence",
    ),
    _gauge(
        "client_evidence_ratio",
        ("model", "client", "family"),
        "Most evidence of a family since the alarm of the client began, in parts of what raises an alarm, 0 to 4",
    ),
    _gauge("client_alarms_hidden", ("model",), "Clients in alarm beyond those that are exposed one by one"),
    _gauge("clients", ("model", "level"), "Clients that were active in the last hour"),
    _counter("client_alarms_total", ("model", "family"), "Clients that came into alarm"),
    _counter("client_dismissals_total", ("model", "family"), "Alarms that people dismissed as false"),
    _gauge(
        "query_clusters",
        ("model", "accounts"),
        "Clusters of near variants in alarm that grew in the last 15 minutes (alarm_hold)",
    ),
    _gauge(
        "evidence_off",
        ("model", "detector"),
        "1 for evidence that says nothing about this model, since its natural queries have it too",
    ),
    _counter("authentication_failures_total", ("reason",), "Requests that were not let in"),
    _counter("rate_limited_total", (), "Requests beyond access.rate_limit"),
    _gauge("queue_queries", (), "Queries that wait to be judged"),
    _gauge("queue_capacity_queries", (), "Queries that may wait"),
    _gauge("http_connections", (), "Open HTTP connections"),
    _counter("http_connections_closed_total", ("reason",), "HTTP connections closed because they broke a bound"),
    _gauge("open_intake", (), "1 when anybody who reaches a non-loopback address may push"),
    _counter("drop_files_total", (), "Files of the drop directory read to their end"),
    _counter("drop_files_failed_total", ("reason",), "Files of the drop directory that hold a failure"),
    _gauge("drop_files_pending", (), "Files of the drop directory that are seen and not yet read"),
    _gauge("model_info", ("model", "version", "modality", "stage"), "1 for each watched model"),
    _counter("inferences_total", ("model",), "Inferences: queries, and samples that belong to no query"),
    _counter("inference_failures_total", ("model", "reason"), "Inferences that ended in an error"),
    _histogram("inference_duration_seconds", ("model",), "Time that an inference took, where it is told"),
    _counter(
        "slow_inferences_total", ("model",), "Inferences that took longer than vedette_model_latency_threshold_seconds"
    ),
    _histogram("time_to_first_token_seconds", ("model",), "From the request to the first token of the answer"),
    _counter("tokens_total", ("model", "direction"), "Tokens read and written"),
    _counter("cost_dollars_total", ("model",), "Cost of inferences: as it was told, else by the prices"),
    _gauge(
        "resource_utilization_ratio",
        ("model", "resource"),
        "Share of a resource in use: the largest that an instance pushed in the last 5 minutes",
    ),
    _gauge("pushed_error_ratio", ("model",), "Error rate as an instance pushed it, the largest of 5 minutes"),
    _gauge("pushed_throughput_per_second", ("model",), "Throughput as an instance pushed it, the largest of 5 minutes"),
    _gauge("model_latency_threshold_seconds", ("model",), "Latency from which ModelLatencyHigh fires"),
    _gauge("model_error_threshold_ratio", ("model",), "Share of failures from which ModelErrorsHigh fires"),
    _gauge(
        "model_resource_threshold_ratio",
        ("model", "resource"),
        "Share of a resource from which ModelResourceHigh fires",
    ),
    _gauge("model_cost_threshold_dollars", ("model",), "Dollars an hour from which ModelCostHigh fires, where set"),
    _gauge("model_objective_ratio", ("model", "slo"), "Share of good events that is the objective"),
    _counter("slo_events_total", ("model", "slo"), "Inferences that count for an objective"),
    _counter("slo_bad_events_total", ("model", "slo"), "Inferences that missed it"),
    _gauge(
        "top_client_queries",
        ("model", "client"),
        "The clients with the most queries in the last one to two hours, about; for dashboards",
    ),
    _gauge(
        "top_client_cost_dollars",
        ("model", "client"),
        "The clients that cost most in the last one to two hours, about; for dashboards",
    ),
    _counter(
        "samples_accepted_total",
        ("source",),
        "Samples of inferences and custom metrics, true labels, and reports of drift, taken in",
    ),
    _counter("samples_rejected_total", ("source", "reason"), "Samples refused at intake"),
    _counter("folded_labels_total", ("label",), "Queries whose label value was folded into other"),
    _gauge("canary_last_success_timestamp_seconds", (), "When a synthetic query last came through the intake"),
    _gauge("config_last_reload_successful", (), "1 when the last reload of the configuration succeeded"),
    _gauge("config_last_reload_success_timestamp_seconds", (), "When a configuration was last taken over"),
    _gauge("web_config_last_reload_successful", (), "1 when web file and certificates were last read well"),
    _gauge("counter_epoch_timestamp_seconds", (), "Since when the counters count without a gap"),
    _gauge("external_info", ("url", "grafana_url"), "Addresses for the links in notifications"),
    _gauge("build_info", ("version",), "1, with the version of the program"),
    _gauge(
        "clock_ahead_seconds",
        (),
        "How far models judge ahead of the machine's clock since this was set back; the largest",
    ),
    _gauge("replay_active", (), "1 while the journal is judged again after a start; nothing is taken in yet"),
    _gauge("replayed_queries", (), "Queries of the journal that were judged again at the last start"),
    _gauge("journal_bytes", (), "Size of the journal"),
    _gauge("journal_capacity_bytes", (), "Size that the journal may have: storage.journal_bytes"),
    _histogram("journal_sync_seconds", (), "Time of a sync to the disk, which many pushes share"),
    _counter("journal_torn_records_total", (), "Torn ends of the journal that were cut off at the start"),
    _gauge("snapshot_last_success_timestamp_seconds", (), "When a snapshot was last written, before that the start"),
    _gauge("snapshot_duration_seconds", (), "Time that the last snapshot took"),
    _gauge("snapshot_interval_seconds", (), "Time between two snapshots: storage.snapshot_interval"),
    _counter("snapshot_failures_total", (), "Snapshots that could not be written"),
    _counter("snapshots_set_aside_total", (), "Snapshots that were broken or of another version"),
    _gauge("storage_free_bytes", (), "Free space of the disk under storage.path"),
    _gauge("storage_size_bytes", (), "Size of the disk under storage.path"),
    _gauge("warm_up_ratio", ("model", "detector"), "How far the detector has learned; 1 when it judges"),
    _gauge("drift_severity_level", ("model",), "Drift in the last window: 0 none, 1 low, 2 medium, 3 high, 4 critical"),
    _gauge("drift_features", ("model", "state"), "Features of the last window that were tested, and drifted"),
    _gauge(
        "drift_score",
        ("model", "feature", "method"),
        "Size of the change of the most drifted features: ks 0 to 1, psi, wasserstein in sd of the reference",
    ),
    _gauge("drift_last_window_timestamp_seconds", ("model",), "When the last tested window ended"),
    _counter("drift_windows_total", ("model", "result"), "Full windows, and whether they were tested"),
    _gauge(
        "reference_info",
        ("model", "source", "reference_version"),
        "1 for the reference with which windows are compared",
    ),
    _gauge("model_accuracy_ratio", ("model",), "Share of right ones among the last labelled predictions"),
    _gauge("model_accuracy_usual_ratio", ("model",), "Share of right ones among the first labelled ones"),
    _gauge("concept_drift_active", ("model",), "1 while predictions are wrong more often than usual"),
    _counter("history_rows_total", ("kind",), "Rows written to the history"),
    _counter("history_dropped_total", ("reason",), "Rows that were not written to the history"),
    _gauge("history_queue_rows", (), "Rows that wait to be written to the history"),
    _gauge("history_queue_capacity_rows", (), "Rows that may wait: history.queue_rows"),
    _histogram("history_write_seconds", (), "Time of writing a batch of the history"),
    _counter("history_write_failures_total", (), "Attempts at which the database of the history failed"),
    _gauge("history_up", (), "1 when the database of the history took what it was last given"),
    _gauge("history_last_success_timestamp_seconds", (), "When the database of the history last answered"),
    _gauge("history_database_bytes", (), "Size of the tables of the history"),
    _gauge("history_database_capacity_bytes", (), "Size that they may have: history.max_bytes"),
    _gauge("anomaly_score", ("query", "series"), "How odd the last point of a series is; 1 is the line"),
    _gauge("anomaly_value", ("query", "series"), "Last value of a learned series, in its own unit"),
    _gauge("anomaly_expected", ("query", "series"), "Value that was expected then, in the unit of the series"),
    _gauge("anomaly_lower", ("query", "series"), "Lower edge of the band that holds 95 % of the values"),
    _gauge("anomaly_upper", ("query", "series"), "Upper edge of the band that holds 95 % of the values"),
    _gauge(
        "anomaly_component_ratio",
        ("query", "series", "component"),
        "Share of a component in the worst score of an incident that lasts",
    ),
    _gauge(
        "anomaly_series_info", ("query", "series", "name"), "1 while an incident of the series, or its group, lasts"
    ),
    _gauge("anomaly_series", ("query", "state"), "Series of a query: ready, or warming up"),
    _gauge("anomaly_incidents_open", ("query",), "Series of the query whose incident lasts"),
    _counter("anomaly_incidents_total", ("query",), "Incidents that began while it was looked at"),
    _gauge("anomaly_incidents_week", ("query",), "Incidents of the last seven days"),
    _gauge("anomaly_incidents_budget", ("query",), "Incidents of seven days beyond which it mutes itself"),
    _gauge("anomaly_muted", ("query",), "1 while the query is over its budget of incidents"),
    _gauge("anomaly_precision_ratio", ("query",), "Share of its reviewed incidents that were confirmed"),
    _gauge(
        "anomaly_component_precision_ratio",
        ("component",),
        "Share of the reviewed incidents, in which this component said most, that were confirmed",
    ),
    _counter("anomaly_points_skipped_total", ("query", "reason"), "Points that were read and not judged"),
    _counter("anomaly_points_dropped_total", ("query",), "Points of series beyond the bound of the query"),
    _gauge("anomaly_last_point_timestamp_seconds", ("query",), "Time of the newest point of the query"),
    _gauge("anomaly_silence_threshold_seconds", ("query",), "Age of the newest point from which it is blind"),
    _counter("anomaly_read_errors_total", ("query", "reason"), "Attempts to read a query that failed"),
    _counter("anomaly_log_failures_total", (), "Anomalies and courses that were not written to the disk"),
    _gauge("baseline_ready", ("query",), "1 when the query has learned and judges"),
    _gauge("baseline_age_seconds", ("query",), "Time since the query last learned"),
    _gauge("baseline_points", ("query",), "Points that it learned from, of all its series"),
    _gauge("baseline_training_seconds", ("query",), "Time that its last learning took, with the reading"),
    _gauge(
        "baseline_shift_ratio",
        ("query",),
        "How far the last learning moved what is expected, in half widths of the band; median of the series",
    ),
    _gauge("group_anomaly_score", ("group",), "How odd the members of a group are together; 1 is the line"),
    _gauge("group_anomaly_incidents_open", ("group",), "Places of the group whose incident lasts"),
    _gauge(
        "group_anomaly_member_ratio",
        ("group", "query", "series"),
        "Share of a member in the score of a group whose incident lasts",
    ),
    _gauge("series", (), "Series on this page"),
    _counter("series_dropped_total", (), "Series left out of a page because of limits.series"),
)
