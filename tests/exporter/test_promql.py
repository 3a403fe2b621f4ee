"""What an expression says of itself."""

import pytest

from exporter.promql import ExpressionError, check, is_raw, selections, window, with_new_names


@pytest.mark.parametrize(
    "expression",
    [
        "up",
        "rate(x_total[5m])",
        "sum by (job) (increase(x_total[1h])) / sum by (job) (increase(y_total[1h]))",
        "count(x_total)",
        "vector(1)",
        "resets(x_total[1d])",
        "timestamp(x_total)",
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
        "max_over_time(rate(x_total[5m])[1h:1m])",
        "up # of all machines",
        "holt_winters(x[1h], .5, .5)",
        "sum(holt_winters (x[1h], .5, .5)) # holt_winters(",
        "x and on (a) c_total",
        "x unless c_total",
        "x > c_total",
        "c_total - c_total offset 5m",
        "sum(c_total) - (sum(c_total offset 5m))",
        "begun_total - on (job) ended_total",
        "c - c offset 5m",
        'rate({__name__=~".*_total"}[5m])',
        '{__name__=~"node_.*"}',
    ],
)
def test_what_gives_series_and_takes_no_counter_as_it_is_can_be_learned(expression: str) -> None:
    check(expression)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("sum(", "not PromQL: "),
        ("", "not PromQL: "),
        ("time()", "expected an expression that gives series, got a scalar; vector(…) makes a series of it"),
        ("-(1 + 2)", "expected an expression that gives series, got a scalar"),
        ('"a"', "expected an expression that gives series, got a string"),
        ("up[5m]", "expected an expression that gives series, got a range of points"),
        ("x_total", "x_total is a counter: expected rate(x_total[5m]), or increase, instead of its level"),
        ("sum(x_total) / 2", "x_total is a counter"),
        ('{__name__="x_total"}', "x_total is a counter"),
        ("rate(x_total[5m]) / y_total", "y_total is a counter"),
        ("c_total and x", "c_total is a counter"),
        ("x or c_total", "c_total is a counter"),
        ("c_total > 5", "c_total is a counter"),
        ("5 < c_total", "c_total is a counter"),
        ("x > bool c_total", "c_total is a counter"),
        ("c_total - 5", "c_total is a counter"),
        ("c_total - x", "c_total is a counter"),
        ("c_total + c_total offset 5m", "c_total is a counter"),
        (
            '{__name__=~"http_requests_total"}',
            '{__name__=~"http_requests_total"} is a counter: expected rate({__name__',
        ),
        ('{__name__=~"^x_(a|b)_bucket$"}', '{__name__=~"^x_(a|b)_bucket$"} is a counter'),
        ('{__name__=~".*(_count)", job="a"}', '{__name__=~".*(_count)"} is a counter'),
    ],
)
def test_what_cannot_be_learned_says_why(expression: str, text: str) -> None:
    with pytest.raises(ExpressionError) as error:
        check(expression)
    assert str(error.value).startswith(text)


def test_a_metric_that_is_chosen_by_a_pattern_has_no_name() -> None:
    assert [one.metric for one in selections('{__name__=~"a.*"} + b')] == ["", "b"]


def test_it_is_known_what_a_metric_stands_in() -> None:
    [one] = selections("sum(abs(rate(x[5m])))")
    assert (one.metric, one.functions, is_raw(one)) == ("x", ("abs", "rate"), False)


def test_the_window_is_the_longest_look_back() -> None:
    assert window("up") == 0
    assert window("rate(x[5m]) / rate(y[10m])") == 600
    assert window("max_over_time(rate(x[5m])[1h:])") == 3900


@pytest.mark.parametrize("text", ["'holt_winters('", '"a\\" holt_winters("', "`holt_winters(`"])
def test_what_stands_in_a_text_is_no_function_with_an_old_name(text: str) -> None:
    expression = f"holt_winters(x{{a={text}}}[1h], .5, .5)"
    assert with_new_names(expression) == "double_exponential_smoothing" + expression.removeprefix("holt_winters")


def test_a_difference_of_a_counter_that_only_metadata_knows_is_no_raw_counter() -> None:
    assert [is_raw(one) for one in selections("c - c offset 5m")] == [False, False]
    assert [is_raw(one) for one in selections("c - d")] == [True, True]
