"""Asks a Prometheus what a dashboard asks, the way Grafana does.

Variables are resolved one after the other by `/api/v1/label/<name>/values?match[]=…`, each with the choice made
in those before it; the values are put into the expressions with Grafana's escaping; panels and rows that repeat are
asked once for each value of their variable. `base` may be a Prometheus or Grafana's way to one
(`…/api/datasources/uid/<uid>/resources`).
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

ALL = "$__all"
LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)")
LEGEND_LABEL = re.compile(r"{{\s*(\w+)\s*}}")
REGEX_SIGNS = re.compile(r"[$^*{}\[\]'+?.()|]")


@dataclass(frozen=True)
class Window:
    """The time range of a dashboard, in seconds since 1970, and how densely it is asked.

    scrape_seconds: the data source's `timeInterval`.
    """

    start: float
    end: float
    step_seconds: float = 15.0
    scrape_seconds: float = 15.0

    def built_in(self) -> dict[str, str]:
        """Grafana's own variables: a rate interval always holds four scrapes."""
        rate = max(self.step_seconds + self.scrape_seconds, 4 * self.scrape_seconds)
        return {
            "__rate_interval": f"{rate:.0f}s",
            "__interval": f"{self.step_seconds:.0f}s",
            "__range": f"{self.end - self.start:.0f}s",
        }


@dataclass(frozen=True)
class Question:
    """One query of one panel, with every variable filled in.

    may_be_empty: the panel says what it means when there is nothing to show (`noValue`).
    """

    panel: str
    ref: str
    expression: str
    legend: str
    unit: str
    instant: bool
    may_be_empty: bool


@dataclass
class Answer:
    """What Prometheus said: (labels, finite and other values) of every series, or an error."""

    question: Question
    series: list[tuple[dict[str, str], list[float]]] = field(default_factory=list)
    error: str | None = None

    @property
    def values(self) -> list[float]:
        """The values of all series."""
        return [value for _, values in self.series for value in values]

    @property
    def missing_legend_labels(self) -> set[str]:
        """Labels that the legend names and a series lacks."""
        named = set(LEGEND_LABEL.findall(self.question.legend))
        return {label for labels, _ in self.series for label in named - set(labels)}

    @property
    def finite(self) -> bool:
        """Whether every value is a number that can be drawn."""
        return all(math.isfinite(value) for value in self.values)


# -- what a dashboard holds


def panels(dashboard: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Every panel but the rows, with the variables that it repeats for (its own, and its row's)."""
    row: tuple[str, ...] = ()
    for panel in dashboard["panels"]:
        own = (panel["repeat"],) if panel.get("repeat") else ()
        if panel["type"] == "row":
            row = own
            for inner in panel.get("panels") or ():
                yield inner, row + ((inner["repeat"],) if inner.get("repeat") else ())
        else:
            yield panel, row + own


def variables(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The variables that are queried for, in order."""
    return [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]


# -- variables as Grafana resolves them


def escape_regex(value: str) -> str:
    r"""A value as part of a regular expression in a PromQL string: `a.b` becomes `a\\.b`."""
    return REGEX_SIGNS.sub(r"\\\\\g<0>", value.replace("\\", "\\\\\\\\"))


def written(variable: Mapping[str, Any], chosen: Sequence[str], options: Sequence[str]) -> str:
    """What stands in the query for the chosen values."""
    if not (variable["multi"] or variable["includeAll"]):
        return chosen[0].replace("\\", "\\\\").replace('"', '\\"')
    if list(chosen) == [ALL]:
        if variable.get("allValue"):
            return str(variable["allValue"])
        chosen = options
    escaped = [escape_regex(value) for value in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with `$name` and `${name}` replaced. Raises KeyError for a variable that is not known."""
    return re.sub(r"\$(?:{(\w+)}|(\w+))", lambda match: values[match[1] or match[2]], text)


def label_values(base: str, session: requests.Session, query: str, window: Window) -> list[str]:
    """The values that `label_values(selector, label)` stands for. Raises ValueError for another query."""
    match = LABEL_VALUES.fullmatch(query)
    if match is None:
        raise ValueError(f"not a label_values query: {query}")
    asked: dict[str, Any] = {"start": window.start, "end": window.end}
    if match["selector"]:
        asked["match[]"] = match["selector"]
    response = session.get(f"{base}/api/v1/label/{match['label']}/values", params=asked, timeout=30)
    response.raise_for_status()
    return sorted(response.json()["data"])


def resolve(
    base: str,
    session: requests.Session,
    dashboard: Mapping[str, Any],
    choice: Mapping[str, Sequence[str]],
    window: Window,
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What stands for every variable, and the values behind it.

    choice: {variable: values}; a variable that is left out gets All or, where there is no All, its first value.
    """
    texts, values = dict(window.built_in()), {}
    for variable in variables(dashboard):
        name = variable["name"]
        query = variable["query"]["query"] if isinstance(variable["query"], dict) else variable["query"]
        options = label_values(base, session, filled(query, texts), window)
        chosen = list(choice.get(name) or ([ALL] if variable["includeAll"] else options[:1] or [""]))
        texts[name] = written(variable, chosen, options)
        values[name] = options if chosen == [ALL] else chosen
    return texts, values


# -- questions and answers


def questions(
    dashboard: Mapping[str, Any], texts: Mapping[str, str], values: Mapping[str, Sequence[str]]
) -> Iterator[Question]:
    """Every query of every panel, repeated panels once for each value."""
    by_name = {variable["name"]: variable for variable in variables(dashboard)}
    for panel, repeats in panels(dashboard):
        for scope in itertools.product(*(values[name] for name in repeats)):
            chosen = {
                name: written(by_name[name], [value], [value]) for name, value in zip(repeats, scope, strict=True)
            }
            title = " ".join([panel["title"], *scope])
            for target in panel.get("targets", ()):
                yield Question(
                    panel=title,
                    ref=target["refId"],
                    expression=filled(target["expr"], {**texts, **chosen}),
                    legend=target.get("legendFormat", ""),
                    unit=panel["fieldConfig"]["defaults"]["unit"],
                    instant=bool(target.get("instant")),
                    may_be_empty="noValue" in panel["fieldConfig"]["defaults"],
                )


def ask(base: str, session: requests.Session, question: Question, window: Window) -> Answer:
    """Send one query to Prometheus' own API. A refused query is an answer with an error."""
    asked: dict[str, Any] = {"query": question.expression}
    if question.instant:
        asked["time"] = window.end
    else:
        asked |= {"start": window.start, "end": window.end, "step": window.step_seconds}
    path = "query" if question.instant else "query_range"
    reply = session.post(f"{base}/api/v1/{path}", data=asked, timeout=30).json()
    if reply["status"] != "success":
        return Answer(question, error=f"{reply['errorType']}: {reply['error']}")
    return Answer(question, [_series(result) for result in reply["data"]["result"]])


def _series(result: Mapping[str, Any]) -> tuple[dict[str, str], list[float]]:
    points = result.get("values") or [result["value"]]
    return result["metric"], [float(value) for _, value in points]


def run(
    base: str,
    dashboard: Mapping[str, Any],
    choice: Mapping[str, Sequence[str]],
    window: Window,
    session: requests.Session | None = None,
) -> list[Answer]:
    """Resolve the variables and ask for every panel of the dashboard."""
    with session or requests.Session() as connection:
        texts, values = resolve(base, connection, dashboard, choice, window)
        return [ask(base, connection, question, window) for question in questions(dashboard, texts, values)]
