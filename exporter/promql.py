"""What a PromQL expression says without asking a server: whether it can be learned, and what it looks back on.

A counter only rises: its level says nothing and every value of it is new. It has to stand inside `rate` or one of its
kin, over a window of at least four scrapes.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

#: functions that make something of a counter that does not only rise, or that look at no value
OF_COUNTERS = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv", "resets", "changes"})
WITHOUT_VALUES = frozenset({"absent", "absent_over_time", "timestamp", "count_over_time", "present_over_time"})
#: endings of names that a counter has by convention
COUNTER_ENDINGS = ("_total", "_count", "_sum", "_bucket")
#: what stands for "of its values, nothing is taken"
UNSEEN = "timestamp"
#: names of functions in Prometheus 2, and what they are called since; texts and comments are skipped
RENAMED = {"holt_winters": "double_exponential_smoothing"}
OLD_NAME = re.compile(
    rf"""(?s:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|\#[^\n]*|\b({"|".join(RENAMED)})(?=\s*\()""", re.ASCII
)
COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})


class ExpressionError(ValueError):
    """An expression that cannot be learned; the text says what was expected."""


class CounterError(ExpressionError):
    """It takes a counter as it is."""


class Selection(NamedTuple):
    """A metric in an expression. functions: those that it stands inside, the outermost first. window: s, 0 if none.

    pattern: by which it is chosen where it has no name.
    """

    metric: str
    functions: tuple[str, ...]
    window: float
    pattern: str = ""

    @property
    def is_counter(self) -> bool:
        """Whether it is one by its name; a gauge may be called x_count too, but nobody chooses gauges by that."""
        return self.metric.endswith("_total") or self.pattern.rstrip("$)").endswith(COUNTER_ENDINGS)


def check(expression: str) -> None:
    """Raises ExpressionError unless the expression is PromQL, gives series, and takes no counter as it is."""
    node = _parsed(expression)
    kind = _scalar(node)
    if kind:
        hint = "; vector(…) makes a series of it" if kind == "a scalar" else ""
        raise ExpressionError(f"expected an expression that gives series, got {kind}{hint}")
    for selection in _selections(node, (), 0.0):
        if selection.is_counter and is_raw(selection):
            raise raw_counter(selection.metric or f'{{__name__=~"{selection.pattern}"}}')


def selections(expression: str) -> list[Selection]:
    """The metrics that the expression reads. Raises ExpressionError when it is not PromQL."""
    return list(_selections(_parsed(expression), (), 0.0))


def is_raw(selection: Selection) -> bool:
    """Whether the values of the metric are taken as they are."""
    return not (OF_COUNTERS | WITHOUT_VALUES) & set(selection.functions)


def raw_counter(metric: str) -> CounterError:
    """That this counter has to become a rate."""
    return CounterError(f"{metric} is a counter: expected rate({metric}[5m]), or increase, instead of its level")


def window(expression: str) -> float:
    """The longest time in seconds that one point of the expression looks back on; 0 without a range."""
    return max((selection.window for selection in selections(expression)), default=0.0)


def with_new_names(expression: str) -> str:
    """The expression as today's parser knows it; a server still gets it as it was written."""
    return OLD_NAME.sub(lambda found: RENAMED.get(found[1], found[0]), expression)


def _parsed(expression: str) -> Any:
    import promql_parser

    try:
        return promql_parser.parse(with_new_names(expression))
    except ValueError as error:
        raise ExpressionError(f"not PromQL: {error}") from None


def _scalar(node: Any) -> str | None:
    """What the expression gives where that is not a set of series, in words."""
    import promql_parser as promql

    if isinstance(node, promql.ParenExpr):
        return _scalar(node.expr)
    if isinstance(node, promql.UnaryExpr):
        return _scalar(node.expr)
    if isinstance(node, promql.BinaryExpr):
        return "a scalar" if _scalar(node.lhs) and _scalar(node.rhs) else None
    if isinstance(node, promql.NumberLiteral):
        return "a scalar"
    if isinstance(node, promql.StringLiteral):
        return "a string"
    if isinstance(node, promql.MatrixSelector | promql.SubqueryExpr):
        return "a range of points"
    if isinstance(node, promql.Call) and str(node.func.return_type).endswith("Scalar"):
        return "a scalar"
    return None


def _selections(node: Any, functions: tuple[str, ...], window: float) -> Iterator[Selection]:
    import promql_parser as promql

    if isinstance(node, promql.VectorSelector):
        metric, pattern = _metric(node)
        yield Selection(metric, functions, window, pattern)
    elif isinstance(node, promql.MatrixSelector):
        yield from _selections(node.vector_selector, functions, window + node.range.total_seconds())
    elif isinstance(node, promql.SubqueryExpr):
        back = node.range.total_seconds() if node.range else 0.0
        yield from _selections(node.expr, functions, window + back)
    elif isinstance(node, promql.BinaryExpr):
        yield from _of_both(node, functions, window)
    elif isinstance(node, promql.Call):
        for argument in node.args:
            yield from _selections(argument, (*functions, node.func.name), window)
    elif isinstance(node, promql.AggregateExpr):
        # a count of series does not look at their values
        own = (UNSEEN,) if str(node.op).lower().endswith(("count", "group")) else ()
        yield from _selections(node.expr, functions + own, window)
    elif isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        yield from _selections(node.expr, functions, window)


def _of_both(node: Any, functions: tuple[str, ...], window: float) -> Iterator[Selection]:
    """Of an operator: what it takes values of, and what only decides which of them are there."""
    filters = str(node.op) in ("and", "unless") or (_compares(node) and not _scalar(node.lhs))
    left = list(_selections(node.lhs, functions, window))
    right = list(_selections(node.rhs, (*functions, UNSEEN) if filters else functions, window))
    if str(node.op) == "-" and _is_difference(left, right):
        left, right = ([one._replace(functions=(*one.functions, "delta")) for one in side] for side in (left, right))
    yield from (*left, *right)


def _compares(node: Any) -> bool:
    """Whether it lets some values through as they are, instead of telling 0 and 1 of each."""
    return str(node.op) in COMPARISONS and not (node.modifier and node.modifier.return_bool)


def _is_difference(left: list[Selection], right: list[Selection]) -> bool:
    """Whether a counter is taken from itself at another time, or from another one: what is left of them can fall."""
    raw = [{one.metric for one in side if is_raw(one)} for side in (left, right)]
    are_counters = all(metric.endswith(COUNTER_ENDINGS) for metric in raw[0] | raw[1])
    return all(raw) and (raw[0] == raw[1] or are_counters)


def _metric(node: Any) -> tuple[str, str]:
    """The name of a selected metric, and the pattern where it is chosen by one; empty where there is none."""
    import promql_parser as promql

    if node.name:
        return str(node.name), ""
    named = [matcher for matcher in node.matchers.matchers if matcher.name == "__name__"]
    name = next((matcher.value for matcher in named if matcher.op == promql.MatchOp.Equal), "")
    pattern = next((matcher.value for matcher in named if matcher.op == promql.MatchOp.Re), "")
    return name, pattern
