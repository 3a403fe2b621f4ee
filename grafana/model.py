"""One model in depth: each of its detectors with its scores, its share of flags and the shares that alert."""

from typing import Any

from grafana.panels import (
    INSTANCES,
    MODEL,
    ONE_MODEL,
    RATE,
    Dashboard,
    Panel,
    ask,
    ask_buckets,
    ask_now,
    ask_quantiles,
    bars,
    dashboard,
    dashed,
    firing,
    instance_variables,
    label_variable,
    lines,
    number,
    row,
    share,
)

#: the chosen model, and the detector of the row that a panel stands in
DETECTOR = f'{ONE_MODEL}, detector="$detector"'
ALERTS = 'alertname=~"Vedette.+", severity!="none", job=~"$job|", model="$model"'
FLAGS, JUDGEMENTS = "vedette_detector_flags_total", "vedette_detector_judgements_total"


def model() -> Dashboard:
    """The dashboard `vedette-model`."""
    return dashboard(
        MODEL,
        "Vedette: one model",
        "One model and each of its detectors: scores, share of flags, thresholds, windows.",
        variables(),
        [
            *glance(),
            *traffic(),
            # Grafana repeats the row with all panels below it for every detector; that is why it comes last
            row("$detector", each="detector"),
            *scores(),
            *state(),
        ],
    )


def variables() -> list[Any]:
    """As on the overview, but one model; and its detectors, for the rows."""
    return [
        *instance_variables(),
        label_variable("model", f"label_values(vedette_queries_total{{{INSTANCES}}}, model)", many=False),
        label_variable("detector", f"label_values({JUDGEMENTS}{{{ONE_MODEL}}}, detector)"),
    ]


def glance() -> list[Panel]:
    """The model's traffic in numbers, and what fires for it."""
    alerts = firing(
        "Firing alerts of this model",
        "Alerts that fire for this model, and since when their condition holds; the newest first.",
        ALERTS,
        ("severity", "alertname", "detector"),
        width=12,
    )
    return [
        number(
            "Queries judged",
            "reqps",
            "Queries a second, now.",
            ask_now(f"sum(rate(vedette_queries_total{{{ONE_MODEL}}}{RATE}))"),
            width=4,
        ),
        number(
            "Suspicious",
            "percentunit",
            "Share of the queries that at least one detector flagged, now.",
            ask_now(share("vedette_suspicious_queries_total", "vedette_queries_total", "model", ONE_MODEL)),
            width=4,
        ),
        number(
            "Last query",
            "s",
            "Time since the last query of this model came.",
            ask_now(f"time() - max(vedette_last_query_timestamp_seconds{{{ONE_MODEL}}})"),
            width=4,
        ),
        alerts,
    ]


def traffic() -> list[Panel]:
    """How many queries came, how regularly, and how many of them each detector flagged."""
    silence = lines(
        "Silence",
        "s",
        "Time since the last query, and the time after which the silence is an alert (`expected_interval`, if set).",
        ask(f"time() - max(vedette_last_query_timestamp_seconds{{{ONE_MODEL}}})", "since the last query", "A"),
        ask(f"max(vedette_model_silence_threshold_seconds{{{ONE_MODEL}}})", "alert", "B"),
        width=8,
    )
    return [
        lines(
            "Queries",
            "reqps",
            "Queries a second: all, and those that at least one detector flagged.",
            ask(f"sum(rate(vedette_queries_total{{{ONE_MODEL}}}{RATE}))", "judged", "A"),
            ask(f"sum(rate(vedette_suspicious_queries_total{{{ONE_MODEL}}}{RATE}))", "suspicious", "B"),
            width=8,
        ),
        lines(
            "Flagged share by detector",
            "percentunit",
            "Flags divided by judgements.",
            ask(share(FLAGS, JUDGEMENTS, "detector", ONE_MODEL), "{{detector}}"),
            width=8,
        ),
        dashed(silence, "B", "red"),
    ]


def scores() -> list[Panel]:
    """The detector's scores and flags."""
    limit = f"max(vedette_flagged_threshold_ratio{{{DETECTOR}, level=%s}})"
    flagged = lines(
        "Flagged share",
        "percentunit",
        "Flags divided by judgements, and the shares from which alerts fire: information at warning, a ticket at "
        "critical, each only when it lasts for 5 minutes and for an hour.",
        ask(share(FLAGS, JUDGEMENTS, "detector", DETECTOR), "flagged", "A"),
        ask(limit % '"warning"', "warning", "B"),
        ask(limit % '"critical"', "critical", "C"),
        width=8,
    )
    buckets = f"sum by (le) (rate(vedette_detection_score_bucket{{{DETECTOR}}}{RATE}))"
    half, most, nearly_all = ask_quantiles(buckets)
    spread = lines(
        "Scores",
        "none",
        "Half, 95 % and 99 % of the scores are no higher; read from buckets, so exact only at their bounds. Points "
        "are single queries with their ids, where Prometheus stores exemplars. Entropy is divided by its largest "
        "possible value, so it does not compare with the score threshold.",
        half,
        most,
        nearly_all.exemplar(True),
        width=8,
    )
    counts = f"sum by (le) (increase(vedette_detection_score_bucket{{{DETECTOR}}}[$__range]))"
    return [
        dashed(dashed(flagged, "B", "yellow"), "C", "red"),
        spread,
        bars(
            "Scores by bucket",
            "short",
            "Queries in the time range by their score; each bar is named by the upper bound of its bucket.",
            ask_buckets(counts),
            width=8,
        ),
    ]


def state() -> list[Panel]:
    """What the detector compares with, and what it could not judge."""
    return [
        number(
            "Score threshold",
            "none",
            "A query is flagged from this score on, in the score's own unit.",
            ask_now(f"max(vedette_detector_threshold{{{DETECTOR}}})"),
            width=4,
        ).height(6),
        number(
            "Window",
            "short",
            "Earlier queries that a new one is compared with.",
            ask_now(f"max(vedette_detector_window_queries{{{DETECTOR}}})"),
            width=4,
        ).height(6),
        lines(
            "Judged, skipped, failed",
            "reqps",
            "Queries a second that were scored, that lack what the detector needs, and that it failed on.",
            ask(f"sum(rate({JUDGEMENTS}{{{DETECTOR}}}{RATE}))", "judged", "A"),
            ask(
                f"sum by (reason) (rate(vedette_detector_skipped_total{{{DETECTOR}}}{RATE})) > 0",
                "skipped: {{reason}}",
                "B",
            ),
            ask(
                f"sum by (reason) (rate(vedette_detector_errors_total{{{DETECTOR}}}{RATE})) > 0",
                "failed: {{reason}}",
                "C",
            ),
            width=16,
            height=6,
        ),
    ]
