"""Every expression of the dashboards parses, and names only metrics and labels that exist."""

import re

import promql_parser
import pytest

from tests.grafana.metric_catalogue import labels_by_series_name
from tools.grafana_queries import Window, filled, panels, variables

KNOWN = labels_by_series_name()
WINDOW = Window(start=0, end=3600)
EXAMPLES = {
    **WINDOW.built_in(),
    "job": "vedette",
    "instance": "(a|b)",
    "model": "chat",
    "detector": "confidence",
    "client": "key-17",
    "query": "node_cpu",
    "series": "0123456789abcdef",
}


def expressions(dashboard):
    """(where it stands, expression) of every panel and variable, variables filled in."""
    for panel, _ in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"], EXAMPLES)
    for variable in variables(dashboard):
        selector = re.match(r"label_values\((.+), \w+\)", variable["query"]["query"])[1]
        yield variable["name"], filled(selector, EXAMPLES)


def children(node):
    """The expressions below a node of the syntax tree."""
    for name in ("lhs", "rhs", "expr", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, (str, float)):
            yield child
    yield from getattr(node, "args", None) or ()


def selectors(node):
    """Every vector selector in the tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    else:
        for child in children(node):
            yield from selectors(child)


def grouped(expression):
    """Labels in by (…), on (…), ignoring (…) and group_left (…)."""
    lists = re.findall(r"\b(?:by|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", expression)
    return {label.strip() for names in lists for label in names.split(",") if label.strip()}


def test_every_expression_parses(dashboard):
    for title, expression in expressions(dashboard):
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            pytest.fail(f"{title}: {expression}: {error}")


def test_every_metric_and_label_exists(dashboard):
    seen = 0
    for title, expression in expressions(dashboard):
        available = set()
        for selector in selectors(promql_parser.parse(expression)):
            assert selector.name in KNOWN, (title, selector.name)
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched <= KNOWN[selector.name], (title, selector.name, matched)
            available |= KNOWN[selector.name]
            seen += 1
        assert grouped(expression) <= available, (title, expression)
    assert seen > 15


def test_every_label_in_a_legend_is_in_the_metrics_that_it_stands_for(dashboard):
    for panel, _ in panels(dashboard):
        for target in panel["targets"]:
            found = selectors(promql_parser.parse(filled(target["expr"], EXAMPLES)))
            available = set().union(*(KNOWN[selector.name] for selector in found))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= available, panel["title"]


def test_every_selector_keeps_to_the_chosen_job(dashboard):
    for panel, _ in panels(dashboard):
        for target in panel["targets"]:
            for selector in selectors(promql_parser.parse(filled(target["expr"], EXAMPLES))):
                assert "job" in {matcher.name for matcher in selector.matchers.matchers}, panel["title"]
