"""Clients: who is suspicious at a model, by which evidence, and how that came about."""

from typing import Any

from grafana.panels import (
    CLIENTS,
    RATE,
    SOME_MODELS,
    Dashboard,
    Panel,
    ask,
    ask_now,
    bars,
    dashboard,
    firing,
    instance_variables,
    label_variable,
    line_at,
    lines,
    models_variable,
    number,
    row,
    rows_of,
)

#: the chosen client at the chosen models
CLIENT = f'{SOME_MODELS}, client="$client"'
ALERTS = 'alertname=~"Vedette.+", category="attack", job=~"$job", model=~"$model"'
#: the alarm line, and the line of a severe client
LINES = ((None, "green"), (1, "orange"), (2, "red"))


def clients() -> Dashboard:
    """The dashboard `vedette-clients`."""
    return dashboard(
        CLIENTS,
        "Vedette: clients",
        "Suspicious clients of each model, the evidence against them, clusters of near variants, and one of them.",
        variables(),
        [*glance(), *all_clients(), row("One client"), *one_client(), row("What is ready"), *readiness()],
    )


def variables() -> list[Any]:
    """As on the overview, and one client."""
    return [
        *instance_variables(),
        models_variable(),
        label_variable("client", f"label_values(vedette_client_suspicion_ratio{{{SOME_MODELS}}}, client)", many=False),
    ]


def glance() -> list[Panel]:
    """How many clients stand where, and what fires."""
    count = f'sum(vedette_clients{{{SOME_MODELS}, level="%s"}})'
    levels = (
        ("Severe", "severe", ((None, "green"), (1, "red"))),
        ("Alarm", "alarm", ((None, "green"), (1, "orange"))),
        ("Watched", "watch", ((None, "green"), (1, "yellow"))),
    )
    numbers = [
        number(
            title,
            "short",
            f"Clients at the level `{level}` that were active in the last hour.",
            ask_now(count % level),
            colours,
            width=3,
        )
        for title, level, colours in levels
    ]
    hidden = number(
        "Not shown",
        "short",
        "Clients in alarm beyond the 50 of a model that are exposed one by one.",
        ask_now(f"sum(vedette_client_alarms_hidden{{{SOME_MODELS}}})"),
        ((None, "green"), (1, "orange")),
        width=3,
    )
    alerts = firing(
        "Firing alerts on attacks",
        "Alerts on clients and clusters, and since when their condition holds; the newest first.",
        ALERTS,
        ("severity", "alertname", "model", "client"),
        width=12,
    )
    return [*numbers, hidden, alerts]


def all_clients() -> list[Panel]:
    """The most suspicious clients, those in alarm with their evidence, and clusters."""
    suspicion = f"max by (model, client) (vedette_client_suspicion_ratio{{{SOME_MODELS}}})"
    top = lines(
        "Most suspicious clients",
        "none",
        "Evidence against a client in parts of what raises an alarm: 1 is the alarm, 2 is severe, 4 the most that is "
        "counted. The 20 most suspicious clients of each model; an alert never depends on this list.",
        ask(f"topk(10, {suspicion})", "{{model}} {{client}}"),
        width=16,
        height=10,
    )
    alarms = rows_of(
        "Clients in alarm",
        "none",
        "Clients in alarm, or severe, until 15 minutes after the last evidence, with the family of evidence that is "
        "furthest beyond its line first.",
        ask_now(f"sort_desc(max by (model, client, family) (vedette_client_evidence_ratio{{{SOME_MODELS}}}))"),
        ("model", "client", "family"),
        "evidence",
        width=8,
    )
    return [
        line_at(top, LINES),
        alarms.height(10).no_value("no client is in alarm"),
        lines(
            "Alarms by family of evidence",
            "none",
            "Clients that came into alarm in the interval, by the family of evidence that did it.",
            ask(
                f"sum by (family) (increase(vedette_client_alarms_total{{{SOME_MODELS}}}{RATE}))",
                "{{family}}",
            ),
            width=8,
        ),
        lines(
            "Clusters in alarm",
            "short",
            "Clusters of near variants of one query, by whether they come from one client, several, or from queries "
            "without a client.",
            ask(f"sum by (accounts) (vedette_query_clusters{{{SOME_MODELS}}})", "{{accounts}}"),
            width=8,
        ),
        lines(
            "Clients by level",
            "short",
            "Clients that were active in the last hour, by level.",
            ask(f"sum by (level) (vedette_clients{{{SOME_MODELS}}})", "{{level}}"),
            width=8,
        ),
    ]


def one_client() -> list[Panel]:
    """The course of the chosen client."""
    course = lines(
        "Suspicion of the chosen client",
        "none",
        "Evidence against the client in parts of what raises an alarm. It is shown while the client is among the 20 "
        "most suspicious of the model.",
        ask(f"max by (model) (vedette_client_suspicion_ratio{{{CLIENT}}})", "{{model}}"),
    )
    evidence = lines(
        "Evidence by family",
        "none",
        "Evidence of each family, while the client is in alarm: repeat, variants, uncertainty, distribution.",
        ask(f"max by (model, family) (vedette_client_evidence_ratio{{{CLIENT}}})", "{{model}} {{family}}"),
    )
    return [line_at(course, LINES).no_value("not suspicious"), line_at(evidence, LINES).no_value("not in alarm")]


def readiness() -> list[Panel]:
    """What cannot be judged yet, or at all."""
    return [
        bars(
            "Warm-up",
            "percentunit",
            "What each detector of evidence has seen of the queries that it learns from; until it has all, it says "
            "nothing.",
            ask_now(f"min by (model, detector) (vedette_warm_up_ratio{{{SOME_MODELS}}})", "{{model}} {{detector}}"),
            ((None, "orange"), (1, "green")),
        ),
        lines(
            "Queries without a client",
            "percentunit",
            "Share of the queries that name no client: only clusters can be judged of them.",
            ask(
                f"sum by (model) (rate(vedette_queries_without_client_total{{{SOME_MODELS}}}{RATE}))"
                f" / (sum by (model) (rate(vedette_queries_total{{{SOME_MODELS}}}{RATE})) > 0)",
                "{{model}}",
            ),
        ),
    ]
