"""Learned series: one query, its series with the band around each, its incidents, and whether it is well."""

from typing import Any

from grafana.panels import (
    ALWAYS_GREEN,
    ANOMALIES,
    INSTANCES,
    RATE,
    Dashboard,
    Panel,
    ask,
    ask_now,
    band,
    bars,
    dashboard,
    dashed,
    firing,
    instance_variables,
    label_variable,
    line_at,
    lines,
    marks,
    number,
    row,
)

#: the chosen query, and the chosen series of it
QUERY = f'{INSTANCES}, query="$query"'
SERIES = f'{QUERY}, series="$series"'
ALERTS = 'alertname=~"Vedette.+", category="anomaly", job=~"$job|", query="$query"'
LINE = ((None, "green"), (1.0, "orange"), (3.0, "red"))


def anomalies() -> Dashboard:
    """The dashboard `vedette-anomalies`."""
    return dashboard(
        ANOMALIES,
        "Vedette: anomalies",
        "What is normal for the series of a query, what left it, and why.",
        variables(),
        [*glance(), row("One series"), *one_series(), row("The query"), *the_query(), row("Learning"), *learning()],
        [
            marks(
                "Incidents",
                f"sum by (query) (vedette_anomaly_incidents_open{{{QUERY}}}) > 0",
                "orange",
                "incident of {{query}}",
            )
        ],
    )


def variables() -> list[Any]:
    """The Prometheus, then job, instance, query and series, each among what the one before leaves."""
    return [
        *instance_variables(),
        label_variable("query", f"label_values(vedette_baseline_ready{{{INSTANCES}}}, query)", many=False),
        label_variable("series", f"label_values(vedette_anomaly_score{{{QUERY}}}, series)", many=False),
    ]


def glance() -> list[Panel]:
    """The state of the query in numbers, and what fires for it."""
    alerts = firing(
        "Firing alerts of this query",
        "Alerts that fire for this query, and since when their condition holds; the newest first.",
        ALERTS,
        ("severity", "alertname", "query"),
        width=12,
    )
    return [
        number(
            "Open incidents",
            "short",
            "Series that left their normal and have not come back.",
            ask_now(f"max(vedette_anomaly_incidents_open{{{QUERY}}})"),
            ((None, "green"), (1.0, "orange")),
            width=4,
        ),
        number(
            "Incidents this week",
            "short",
            "Incidents of the last seven days; above the budget the query mutes itself.",
            ask_now(f"max(vedette_anomaly_incidents_week{{{QUERY}}})"),
            width=4,
        ),
        number(
            "Newest point",
            "s",
            "Age of the newest point that was judged.",
            ask_now(f"time() - max(vedette_anomaly_last_point_timestamp_seconds{{{QUERY}}})"),
            width=4,
        ),
        alerts,
    ]


def one_series() -> list[Panel]:
    """Value, expected value and band; and the score under it."""
    course = lines(
        "Value and band",
        "short",
        "The value, what was expected, and the band that holds 95 % of the values, in the unit of the series.",
        ask(f"max(vedette_anomaly_value{{{SERIES}}})", "value", "A"),
        ask(f"max(vedette_anomaly_expected{{{SERIES}}})", "expected", "B"),
        ask(f"max(vedette_anomaly_upper{{{SERIES}}})", "upper", "C"),
        ask(f"min(vedette_anomaly_lower{{{SERIES}}})", "lower", "D"),
        width=16,
        height=10,
        from_zero=False,
    )
    score = lines(
        "Score",
        "none",
        "How odd each point is. 1 is the line of the alert: three of five points at or above it are an incident.",
        ask(f"max(vedette_anomaly_score{{{SERIES}}})", "score"),
        width=8,
        height=10,
    )
    return [band(dashed(course, "B", "blue"), "C", "lower", "blue"), line_at(score, LINE)]


def the_query() -> list[Panel]:
    """All series of the query, those first that are odd."""
    return [
        bars(
            "Oddest series now",
            "none",
            "The ten highest scores of the query; 1 is the line of the alert.",
            ask_now(f"topk(10, max by (series) (vedette_anomaly_score{{{QUERY}}}))", "{{series}}"),
            LINE,
            width=8,
        ),
        bars(
            "What makes them odd",
            "percentunit",
            "Shares of the components in the worst score of each incident that lasts.",
            ask_now(
                f"max by (series, component) (vedette_anomaly_component_ratio{{{QUERY}}})", "{{series}} {{component}}"
            ),
            ALWAYS_GREEN,
            width=8,
        ).no_value("no incident lasts"),
        line_at(
            lines(
                "Groups",
                "none",
                "How odd the metrics of each group are together, in its worst place; 1 is the line.",
                ask(f"max by (group) (vedette_group_anomaly_score{{{INSTANCES}}})", "{{group}}"),
                width=8,
            ).no_value("no groups"),
            LINE,
        ),
    ]


def learning() -> list[Panel]:
    """What was learned and when, and what could not be judged."""
    return [
        lines(
            "Series",
            "short",
            "Series of the query that are judged, and those that still warm up.",
            ask(f"max by (state) (vedette_anomaly_series{{{QUERY}}})", "{{state}}"),
            width=6,
        ),
        lines(
            "Age of the baseline",
            "s",
            "Time since the query last learned; it does so each night.",
            ask(f"max(vedette_baseline_age_seconds{{{QUERY}}})", "age"),
            width=6,
        ),
        lines(
            "Points not judged",
            "cps",
            "Points a second that were read and not judged, by the reason.",
            ask(f"sum by (reason) (rate(vedette_anomaly_points_skipped_total{{{QUERY}}}{RATE}))", "{{reason}}"),
            width=6,
        ),
        lines(
            "Reads that failed",
            "cps",
            "Attempts a second to read the query that failed, by the reason.",
            ask(f"sum by (reason) (rate(vedette_anomaly_read_errors_total{{{QUERY}}}{RATE}))", "{{reason}}"),
            width=6,
        ),
    ]
