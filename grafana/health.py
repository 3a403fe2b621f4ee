"""How well one model is: latency, failures, drift, tokens, cost, resources, and what is left of its objectives."""

from typing import Any

from grafana.panels import (
    HEALTH,
    INSTANCES,
    ONE_MODEL,
    RATE,
    Dashboard,
    Panel,
    ask,
    ask_now,
    ask_quantiles,
    bars,
    dashboard,
    dashed,
    firing,
    instance_variables,
    label_variable,
    line_at,
    lines,
    number,
    quantile,
    row,
    rows_of,
)

ALERTS = 'alertname=~"VedetteModel.+|VedetteNoQueries|Vedette.*Drift.*", job=~"$job|", model="$model"'
#: what clients do wrong is left out, as in the alerts
OWN_FAILURES = f'vedette_inference_failures_total{{{ONE_MODEL}, reason!~"client_error|rate_limited"}}'


def health() -> Dashboard:
    """The dashboard `vedette-health`."""
    return dashboard(
        HEALTH,
        "Vedette model health",
        "One model: how fast, dependable, busy and expensive it is, next to its own thresholds and objectives, and "
        "whether what it sees and says has moved.",
        variables(),
        [
            *(*glance(), *speed(), *failures()),
            *(row("Objectives"), *objectives()),
            *(row("Drift"), *drift()),
            *(row("Load and cost"), *load(), *cost()),
        ],
    )


def variables() -> list[Any]:
    """As on the overview, but one model."""
    return [
        *instance_variables(),
        label_variable("model", f"label_values(vedette_inferences_total{{{INSTANCES}}}, model)", many=False),
    ]


def rate(name: str, by: str = "") -> str:
    """A counter's rate over the instances of the exporter."""
    return f"sum{f' by ({by})' if by else ''} (rate({name}{{{ONE_MODEL}}}{RATE}))"


def buckets(name: str) -> str:
    """The rate of a histogram's buckets."""
    return rate(f"{name}_bucket", "le")


def failing() -> str:
    """Share of the inferences that fail by the model's own doing."""
    return f"sum (rate({OWN_FAILURES}{RATE})) / ({rate('vedette_inferences_total')} > 0)"


def glance() -> list[Panel]:
    """The model in numbers, and what fires for it."""
    alerts = firing(
        "Firing alerts",
        "Alerts on the health of this model, and since when their condition holds; the newest first.",
        ALERTS,
        ("severity", "alertname"),
        width=9,
    )
    p95 = quantile(0.95, buckets("vedette_inference_duration_seconds"))
    return [
        number("Inferences", "reqps", "Inferences a second, now.", ask_now(rate("vedette_inferences_total"))),
        number("p95", "s", "95 % take no longer, now.", ask_now(p95)),
        number("Failing", "percentunit", "Share that fails, now; what clients did wrong left out.", ask_now(failing())),
        number(
            "Cost of an hour",
            "currencyUSD",
            "Dollars over the last hour.",
            ask_now(f"sum(increase(vedette_cost_dollars_total{{{ONE_MODEL}}}[1h]))"),
        ),
        number(
            "Dollars each",
            "currencyUSD",
            "Dollars an inference, over the last hour.",
            ask_now(
                f"sum(increase(vedette_cost_dollars_total{{{ONE_MODEL}}}[1h])) / "
                f"(sum(increase(vedette_inferences_total{{{ONE_MODEL}}}[1h])) > 0)"
            ),
        ),
        alerts,
    ]


def speed() -> list[Panel]:
    """How long inferences take."""
    latency = lines(
        "Latency",
        "s",
        "Half, 95 % and 99 % take no longer; read from buckets, so exact only at their bounds. Dashed: the threshold "
        "from which the 95 % alert.",
        *ask_quantiles(buckets("vedette_inference_duration_seconds")),
        ask(f"max(vedette_model_latency_threshold_seconds{{{ONE_MODEL}}})", "threshold", "D"),
    )
    return [
        dashed(latency, "D", "red"),
        lines(
            "Time to the first token",
            "s",
            "Half and 95 % wait no longer for the first token, where it is told.",
            *ask_quantiles(buckets("vedette_time_to_first_token_seconds"))[:2],
        ),
    ]


def failures() -> list[Panel]:
    """How many inferences fail, and why."""
    share = lines(
        "Failing share",
        "percentunit",
        "Share of the inferences that fail, what clients did wrong left out; what the service pushes of itself; dashed "
        "the threshold.",
        ask(failing(), "failing", "A"),
        ask(f"max(vedette_pushed_error_ratio{{{ONE_MODEL}}})", "pushed", "B"),
        ask(f"max(vedette_model_error_threshold_ratio{{{ONE_MODEL}}})", "threshold", "C"),
    )
    reasons = lines(
        "Failures by reason",
        "reqps",
        "Failures a second; client_error and rate_limited are the doing of clients.",
        ask(f"{rate('vedette_inference_failures_total', 'reason')} > 0", "{{reason}}"),
    )
    return [dashed(share, "C", "red"), reasons.no_value("nothing fails")]


def objectives() -> list[Panel]:
    """What is left of the budgets, and how fast they are spent."""
    bad, events = (
        f"sum by (slo) (increase(vedette_slo_{name}_total{{{ONE_MODEL}}}[%s]))" for name in ("bad_events", "events")
    )
    allowed = f"(1 - max by (slo) (vedette_model_objective_ratio{{{ONE_MODEL}}}))"
    spent = f"{bad} / ({events} > 0) / {allowed}"
    left = bars(
        "Budget left",
        "percentunit",
        "What is left of the bad events that the objective allows in 30 days.",
        ask_now(f"clamp_min(1 - {spent % ('30d', '30d')}, 0)", "{{slo}}"),
    )
    burn = lines(
        "Burn",
        "none",
        "How many times too fast the budget is spent over an hour: 1 lasts 30 days, 14.4 is an alert.",
        ask(spent % ("1h", "1h"), "{{slo}}"),
    )
    return [left.no_value("no objectives"), burn.no_value("no objectives")]


def drift() -> list[Panel]:
    """Whether queries and answers are still what they were, and how many answers are right."""
    accuracy = lines(
        "Accuracy",
        "percentunit",
        "Share of right answers among the last 1,000 of which the truth is known; dashed what is usual.",
        ask(f"max(vedette_model_accuracy_ratio{{{ONE_MODEL}}})", "accuracy", "A"),
        ask(f"max(vedette_model_accuracy_usual_ratio{{{ONE_MODEL}}})", "usual", "B"),
        width=6,
    )
    severity = lines(
        "Drift severity",
        "none",
        "Of the last window: 0 none, 1 low, 2 medium, 3 high, 4 critical; from 2 on it alerts (dashed).",
        ask(f"max(vedette_drift_severity_level{{{ONE_MODEL}}})", "severity"),
        width=6,
    )
    features = lines(
        "Drifted features",
        "none",
        "Features of the last window that were tested, and that moved from the reference.",
        ask(f"max by (state) (vedette_drift_features{{{ONE_MODEL}}})", "{{state}}"),
        width=6,
    )
    scores = bars(
        "Largest changes",
        "none",
        "The features that moved most: ks from 0 to 1, psi (0.2 matters), wasserstein in sd of the reference.",
        ask_now(f"sort_desc(max by (feature, method) (vedette_drift_score{{{ONE_MODEL}}}))", "{{feature}}: {{method}}"),
        width=6,
    )
    return [
        line_at(severity, ((None, "green"), (2, "red"))).no_value("warming up"),
        features.no_value("warming up"),
        scores.no_value("warming up"),
        dashed(accuracy, "B", "red").no_value("no true labels"),
    ]


def load() -> list[Panel]:
    """How busy the model is."""
    resources = lines(
        "Resources",
        "percentunit",
        "Share in use on the fullest instance; dashed the thresholds.",
        ask(f"max by (resource) (vedette_resource_utilization_ratio{{{ONE_MODEL}}})", "{{resource}}", "A"),
        ask(
            f"max by (resource) (vedette_model_resource_threshold_ratio{{{ONE_MODEL}}})", "{{resource}}: threshold", "B"
        ),
        width=8,
    )
    return [
        lines(
            "Inferences",
            "reqps",
            "Inferences a second, and the throughput that an instance pushed.",
            ask(rate("vedette_inferences_total"), "inferences", "A"),
            ask(f"max(vedette_pushed_throughput_per_second{{{ONE_MODEL}}})", "pushed", "B"),
            width=8,
        ),
        dashed(resources, "B", "red"),
        lines(
            "Tokens",
            "none",
            "Tokens a second.",
            ask(rate("vedette_tokens_total", "direction"), "{{direction}}"),
            width=8,
        ),
    ]


def cost() -> list[Panel]:
    """What the model costs, and who asks most."""
    dollars = lines(
        "Cost",
        "currencyUSD",
        "Dollars an hour; dashed the threshold, if set.",
        ask(f"3600 * {rate('vedette_cost_dollars_total')}", "cost", "A"),
        ask(f"max(vedette_model_cost_threshold_dollars{{{ONE_MODEL}}})", "threshold", "B"),
        width=8,
    )
    return [
        dashed(dollars, "B", "red"),
        _clients("Dearest clients", "currencyUSD", "vedette_top_client_cost_dollars", "dollars"),
        _clients("Busiest clients", "short", "vedette_top_client_queries", "queries"),
    ]


def _clients(title: str, unit: str, name: str, value: str) -> Panel:
    query = ask_now(f"sort_desc(sum by (client) ({name}{{{ONE_MODEL}}}))")
    description = "The largest of the last one to two hours, about."
    return rows_of(title, unit, description, query, ("client",), value, width=8).no_value("nobody is named")
