"""The overview: all models on one page, read from top to bottom by whoever is on call."""

from typing import Any

from grafana.panels import (
    INSTANCES,
    MODEL,
    OVERVIEW,
    RATE,
    SOME_MODELS,
    Dashboard,
    Panel,
    ask,
    ask_now,
    ask_quantiles,
    bars,
    column,
    dashboard,
    firing,
    instance_variables,
    line_at,
    lines,
    models_variable,
    number,
    row,
    rows_of,
    share,
    words,
)

#: alerts of the chosen jobs and models; own faults carry no model, and a vanished exporter's may carry no job
ALERTS = 'alertname=~"Vedette.+", severity!="none", job=~"$job|", model=~"$model|"'

BY_DETECTOR = "{{model}} {{detector}}"
OF_CRITICAL = (
    f"({share('vedette_detector_flags_total', 'vedette_detector_judgements_total', 'model, detector', SOME_MODELS)})"
    " / on (model, detector)"
    f' max by (model, detector) (vedette_flagged_threshold_ratio{{{SOME_MODELS}, level="critical"}})'
)


def overview() -> Dashboard:
    """The dashboard `vedette-overview`."""
    return dashboard(
        OVERVIEW,
        "Vedette: overview",
        "What fires, whether Vedette itself is well, and how suspicious the queries to each model are.",
        variables(),
        [
            *health(),
            *now(),
            row("Queries"),
            *queries(),
            row("Judging"),
            *judging(),
            row("What was not judged"),
            *not_judged(),
            row("Sources and bounds"),
            *bounds(),
        ],
    )


def variables() -> list[Any]:
    """The Prometheus, then job, instance and model, each among what the one before leaves."""
    return [*instance_variables(), models_variable()]


def health() -> list[Panel]:
    """Vedette's own state, one number each."""
    return [
        number(
            "Exporter",
            "none",
            "Whether Prometheus reaches every chosen instance.",
            ask_now(f"min(up{{{INSTANCES}}})"),
        ).mappings(words({"1": ("up", "green"), "0": ("DOWN", "red")})),
        number(
            "Last canary",
            "s",
            "Time since a synthetic query last went through the real intake and was judged. One is sent every 30 s.",
            ask_now(f"time() - min(vedette_canary_last_success_timestamp_seconds{{{INSTANCES}}})"),
            ((None, "green"), (90, "orange"), (300, "red")),
        ),
        number(
            "Queue",
            "percentunit",
            "How full the queue of queries that wait to be judged is. At 100 % pushes are answered with 429.",
            ask_now(f"max(vedette_queue_queries{{{INSTANCES}}} / vedette_queue_capacity_queries{{{INSTANCES}}})"),
            ((None, "green"), (0.5, "orange"), (0.8, "red")),
        ),
        number(
            "Configuration",
            "none",
            "Whether the last reload took the configuration. If it did not, the old one is still in use.",
            ask_now(f"min(vedette_config_last_reload_successful{{{INSTANCES}}})"),
        ).mappings(words({"1": ("loaded", "green"), "0": ("REFUSED", "red")})),
        number(
            "Rejected queries",
            "reqps",
            "Queries that were refused at intake because a field was wrong, in all sources together.",
            ask_now(f"sum(rate(vedette_queries_rejected_total{{{INSTANCES}}}{RATE}))"),
            ((None, "green"), (0.001, "orange")),
        ),
        number(
            "Detector errors",
            "reqps",
            "Queries on which a detector failed. Such a query is not counted as harmless: it was not judged.",
            ask_now(f"sum(rate(vedette_detector_errors_total{{{SOME_MODELS}}}{RATE}))"),
            ((None, "green"), (0.001, "red")),
        ),
        number(
            "Intake",
            "none",
            "Open: it listens beyond this machine and takes queries from anybody who reaches the port.",
            ask_now(f"max(vedette_open_intake{{{INSTANCES}}})"),
        ).mappings(words({"0": ("guarded", "green"), "1": ("open", "orange")})),
        number(
            "Instances per job",
            "none",
            "Exactly one exporter judges the queries of a job: two would each see half of them.",
            ask_now(f"max(count by (job) (vedette_build_info{{{INSTANCES}}}))"),
            ((None, "green"), (2, "orange")),
        ),
    ]


def now() -> list[Panel]:
    """What fires, and which models there are."""
    alerts = firing(
        "Firing alerts",
        "Vedette's alerts that fire, and since when their condition holds; the newest first. "
        "What to do stands in their runbooks.",
        ALERTS,
        ("severity", "alertname", "model", "detector"),
        width=14,
        height=7,
    )
    known = "max by (model, version, modality) (vedette_model_info{" + SOME_MODELS + "})"
    last = "max by (model) (vedette_last_query_timestamp_seconds{" + SOME_MODELS + "})"
    served = rows_of(
        "Models",
        "s",
        "Every model that Vedette knows, and how long ago its last query came. Follow a name to its own dashboard.",
        ask_now(f"{known} * on (model) group_left () (time() - {last}) or {known} * 0 - 1"),
        ("model", "version", "modality"),
        "last query ago",
        width=10,
    ).mappings(words({"-1": ("none yet", "text")}))
    return [
        alerts,
        column(served, "model", {"links": [_model_link()]}).height(7),
    ]


def _model_link() -> dict[str, Any]:
    variables = "var-model=${__value.text}&${datasource:queryparam}&${job:queryparam}"
    url = f"/d/{MODEL}?{variables}&${{instance:queryparam}}&${{__url_time_range}}"
    return {"title": "This model in depth", "url": url, "targetBlank": False}


def queries() -> list[Panel]:
    """How many queries came, and how many of them were flagged."""
    near = bars(
        "Flagged share ÷ critical share",
        "none",
        "How near each detector is to an alert: from 1 on, for 5 minutes and for an hour, one fires. "
        "The twelve highest.",
        ask_now(f"sort_desc(topk(12, {OF_CRITICAL}))", BY_DETECTOR),
        ((None, "green"), (0.5, "orange"), (1, "red")),
    ).max(1)
    return [
        lines(
            "Queries judged",
            "reqps",
            "Queries a second, by model.",
            ask(f"sum by (model) (rate(vedette_queries_total{{{SOME_MODELS}}}{RATE}))", "{{model}}"),
        ),
        near,
        lines(
            "Suspicious queries",
            "percentunit",
            "Share of the queries that at least one detector flagged, by model. One flagged query means little; "
            "a share that rises is worth a look.",
            ask(share("vedette_suspicious_queries_total", "vedette_queries_total", "model", SOME_MODELS), "{{model}}"),
        ),
        lines(
            "Flagged share by detector",
            "percentunit",
            "Flags divided by judgements. The shares from which alerts fire are drawn on the dashboard of each model.",
            ask(
                share(
                    "vedette_detector_flags_total", "vedette_detector_judgements_total", "model, detector", SOME_MODELS
                ),
                BY_DETECTOR,
            ),
        ),
    ]


def judging() -> list[Panel]:
    """How long judging takes, what it costs, and whether it keeps up."""
    buckets = f"sum by (le) (rate(vedette_judging_delay_seconds_bucket{{{INSTANCES}}}{RATE}))"
    spent = f"sum by (detector) (rate(vedette_detector_seconds_total{{{INSTANCES}}}{RATE}))"
    judged = f"sum by (detector) (rate(vedette_detector_judgements_total{{{INSTANCES}}}{RATE}))"
    queue = lines(
        "Queue over time",
        "percentunit",
        "Waiting queries divided by the places in the queue, by instance.",
        ask(
            f"vedette_queue_queries{{{INSTANCES}}} / vedette_queue_capacity_queries{{{INSTANCES}}}",
            "{{instance}}",
        ),
        width=8,
    ).max(1)
    return [
        lines(
            "From received to judged",
            "s",
            "Delay of pushed queries. Half, 95 % and 99 % of them waited no longer.",
            *ask_quantiles(buckets),
            width=8,
        ),
        lines(
            "CPU time of one judgement",
            "s",
            "CPU seconds that a detector took divided by the queries that it judged, over all models.",
            ask(f"{spent} / ({judged} > 0)", "{{detector}}"),
            width=8,
        ),
        line_at(queue, ((None, "transparent"), (0.8, "red"))),
    ]


def not_judged() -> list[Panel]:
    """Queries that were refused, that a detector could not judge, or that it failed on."""
    return [
        lines(
            "Rejected at intake",
            "reqps",
            "By source and reason. Many of a sudden: a sender changed its format.",
            ask(
                f"sum by (source, reason) (rate(vedette_queries_rejected_total{{{INSTANCES}}}{RATE})) > 0",
                "{{source}} {{reason}}",
            ),
            width=8,
            height=6,
        ).no_value("nothing rejected"),
        lines(
            "Skipped by a detector",
            "reqps",
            "The query lacks what the detector needs. Normal for models that do not send it; "
            "a detector that skips everything protects nothing.",
            ask(
                f"sum by (detector, reason) (rate(vedette_detector_skipped_total{{{SOME_MODELS}}}{RATE})) > 0",
                "{{detector}} {{reason}}",
            ),
            width=8,
            height=6,
        ).no_value("nothing skipped"),
        lines(
            "Failed in a detector",
            "reqps",
            "Exceptions inside a detector. The log says which.",
            ask(
                f"sum by (model, detector, reason) (rate(vedette_detector_errors_total{{{SOME_MODELS}}}{RATE})) > 0",
                "{{model}} {{detector}} {{reason}}",
            ),
            width=8,
            height=6,
        ).no_value("nothing failed"),
    ]


def bounds() -> list[Panel]:
    """Where queries come from, and the limits that bound what is exposed."""
    return [
        lines(
            "Accepted by source",
            "reqps",
            "Queries taken in, and those among them that had been taken in before and count once.",
            ask(f"sum by (source) (rate(vedette_queries_accepted_total{{{INSTANCES}}}{RATE}))", "{{source}}", "A"),
            ask(
                f"sum by (source) (rate(vedette_queries_duplicate_total{{{INSTANCES}}}{RATE})) > 0",
                "{{source}} duplicates",
                "B",
            ),
            width=6,
        ),
        lines(
            "Drop files",
            "short",
            "Files read, files with lines that failed, and files that wait, in each interval.",
            ask(f"sum(increase(vedette_drop_files_total{{{INSTANCES}}}{RATE}))", "read", "A"),
            ask(
                f"sum by (reason) (increase(vedette_drop_files_failed_total{{{INSTANCES}}}{RATE})) > 0",
                "failed: {{reason}}",
                "B",
            ),
            ask(f"sum(vedette_drop_files_pending{{{INSTANCES}}})", "waiting", "C"),
            width=6,
        ),
        lines(
            "Series exposed",
            "short",
            "Series on /metrics, by instance; `limits.series` bounds them.",
            ask(f"vedette_series{{{INSTANCES}}}", "{{instance}}"),
            width=6,
        ),
        lines(
            "Beyond the limits",
            "cps",
            "Series that were left out, and label values that were folded into `other`, because a limit was reached.",
            ask(f"sum(rate(vedette_series_dropped_total{{{INSTANCES}}}{RATE})) > 0", "series left out", "A"),
            ask(
                f"sum by (label) (rate(vedette_folded_labels_total{{{INSTANCES}}}{RATE})) > 0",
                "{{label}} folded",
                "B",
            ),
            width=6,
        ).no_value("within the limits"),
    ]
