"""Every metric that the exporter exposes, with its own labels; `_bucket` and its like belong to a histogram."""

COUNTERS = {
    "vedette_queries_accepted_total": {"source"},
    "vedette_queries_rejected_total": {"source", "reason"},
    "vedette_queries_duplicate_total": {"source"},
    "vedette_queries_total": {"model"},
    "vedette_suspicious_queries_total": {"model"},
    "vedette_detector_judgements_total": {"model", "detector"},
    "vedette_detector_flags_total": {"model", "detector"},
    "vedette_detector_skipped_total": {"model", "detector", "reason"},
    "vedette_detector_errors_total": {"model", "detector", "reason"},
    "vedette_detector_seconds_total": {"detector"},
    "vedette_drop_files_total": set(),
    "vedette_drop_files_failed_total": {"reason"},
    "vedette_series_dropped_total": set(),
    "vedette_folded_labels_total": {"label"},
}
HISTOGRAMS = {
    "vedette_detection_score": {"model", "detector"},
    "vedette_judging_delay_seconds": set(),
}
GAUGES = {
    "vedette_detector_threshold": {"model", "detector"},
    "vedette_detector_window_queries": {"model", "detector"},
    "vedette_warm_up_ratio": {"model", "detector"},
    "vedette_flagged_threshold_ratio": {"model", "detector", "level"},
    "vedette_last_query_timestamp_seconds": {"model"},
    "vedette_model_silence_threshold_seconds": {"model"},
    "vedette_queue_queries": set(),
    "vedette_queue_capacity_queries": set(),
    "vedette_open_intake": set(),
    "vedette_drop_files_pending": set(),
    "vedette_model_info": {"model", "version", "modality", "stage"},
    "vedette_canary_last_success_timestamp_seconds": set(),
    "vedette_config_last_reload_successful": set(),
    "vedette_config_last_reload_success_timestamp_seconds": set(),
    "vedette_build_info": {"version"},
    "vedette_external_info": {"url", "grafana_url"},
    "vedette_series": set(),
}
#: what Prometheus itself adds to the picture
PROMETHEUS = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity", "category", "model", "detector"},
    "ALERTS_FOR_STATE": {"alertname", "severity", "category", "model", "detector"},
}
TARGET_LABELS = {"job", "instance"}


def labels_by_series_name() -> dict[str, set[str]]:
    """{name as it stands in an expression: labels that it may have}."""
    known = COUNTERS | GAUGES | PROMETHEUS
    for name, labels in HISTOGRAMS.items():
        known |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    return {name: labels | TARGET_LABELS for name, labels in known.items()}
