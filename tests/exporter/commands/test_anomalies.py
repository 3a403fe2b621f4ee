"""`vedette anomalies replay`, and `vedette backtest` on an expression, as far as they need no real server."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.__main__ import main
from tests.exporter.anomalies.test_prometheus import Server, success

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `vedette …`: exit code and standard error."""

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def config(folder: Path, text: str) -> str:
    path = folder / "v.yml"
    path.write_text(f"anomalies:\n  prometheus: {{url: http://127.0.0.1:9, retries: 0}}\n{text}")
    return str(path)


def test_without_a_prometheus_it_says_what_is_missing(call: Call) -> None:
    expected = "vedette: no Prometheus to read: expected anomalies.prometheus.url in the configuration\n"
    assert call("anomalies", "replay") == (1, expected)
    assert call("backtest", "--expr", "up") == (1, expected)


def test_without_a_query_it_says_so(call: Call, tmp_path: Path) -> None:
    code, said = call("anomalies", "--config", config(tmp_path, ""), "replay")
    assert (code, said.startswith("vedette: no query to replay")) == (1, True)


def test_each_query_that_cannot_be_read_is_named(call: Call, tmp_path: Path) -> None:
    file = config(tmp_path, "  queries: [{name: a, expr: up}, {name: b, expr: up}]\n")
    code, said = call("anomalies", "replay", "--config", file)
    assert code == 1
    assert said.splitlines() == [
        "a: http://127.0.0.1:9 cannot be reached: Connection refused",
        "b: http://127.0.0.1:9 cannot be reached: Connection refused",
        "vedette: none of the queries could be read",
    ]
    assert call("anomalies", "replay", "--config", file, "--query", "a")[1].count("a: ") == 1


def test_events_that_cannot_be_read_are_left_out_and_it_says_so(call: Call, tmp_path: Path) -> None:
    (tmp_path / "anomalies").mkdir()
    (tmp_path / "anomalies" / "events.json").write_text("[{")
    file = config(tmp_path, f"  queries: [{{name: a, expr: up}}]\nstorage: {{path: {tmp_path}}}\n")
    first, *rest = call("anomalies", "replay", "--config", file)[1].splitlines()
    assert first.startswith(f"without the events that were told: {tmp_path} cannot be read: ")
    assert rest[-1] == "vedette: none of the queries could be read"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def test_days_without_points_enough_are_no_days_without_incidents(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time() // 60 * 60
    points = [[now - 60 * back, str(1 + back * 7919 % 100 / 100)] for back in range(3600, 0, -1)]
    matrix = success("matrix", [{"metric": {}, "values": points}])
    server.answers = [(200, success("vector", [{"metric": {}, "value": [now, "1"]}])), (200, matrix)]
    server.answers += [(200, success("matrix", []))]
    file = tmp_path / "v.yml"
    queries = "[{name: load, expr: up}]"
    file.write_text(f"anomalies: {{prometheus: {{url: 'http://127.0.0.1:{server.port}'}}, queries: {queries}}}")
    with pytest.raises(SystemExit) as ended:
        main(("anomalies", "replay", "--config", str(file), "--days", "14"))
    out, err = capsys.readouterr()
    assert ended.value.code in (0, None)
    assert out.startswith("load: 0 incidents in 1 days")
    assert re.fullmatch(r"load: judged from [-0-9: ]+ on: before that, too few points to learn from\n", err)


@pytest.mark.parametrize("days", ["0", "-1", "x", "nan", "1e9"])
def test_days_are_a_number_above_zero(call: Call, days: str) -> None:
    code, said = call("anomalies", "replay", "--days", days)
    assert (code, "is no number of days" in said) == (2, True)


def test_a_backtest_is_of_a_file_or_of_an_expression(call: Call, tmp_path: Path) -> None:
    expected = "vedette: expected a FILE.csv or --expr, one of the two\n"
    assert call("backtest") == (2, expected)
    assert call("backtest", "x.csv", "--expr", "up") == (2, expected)
    for option in (("--days", "1"), ("--start", "2026-08-03"), ("--end", "2026-08-03"), ("--step", "5m")):
        refused = f"vedette: {option[0]} is of --expr: a file is judged as a whole\n"
        assert call("backtest", "x.csv", *option) == (2, refused)
    code, said = call("backtest", "--config", config(tmp_path, ""), "--expr", "x_total")
    assert (code, said) == (
        1,
        "vedette: --expr: x_total is a counter: expected rate(x_total[5m]), or increase, instead of its level\n",
    )


def test_a_query_that_is_not_there_is_told_with_those_that_are(call: Call, tmp_path: Path) -> None:
    file = config(tmp_path, "  queries: [{name: a, expr: up}, {name: b, expr: up}]\n")
    expected = "vedette: no query of the name nope: there are a, b\n"
    assert call("anomalies", "replay", "--config", file, "--query", "nope") == (1, expected)


def test_a_query_whose_expression_cannot_be_learned_is_named_and_the_others_go_on(call: Call, tmp_path: Path) -> None:
    file = config(tmp_path, "  queries: [{name: bad, expr: '42'}, {name: b, expr: up}]\n")
    _, said = call("anomalies", "replay", "--config", file)
    assert [line.split(": ")[0] for line in said.splitlines()] == ["bad", "b", "vedette"]


@pytest.mark.parametrize("command", [("anomalies", "replay"), ("backtest", "--expr", "up")])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--start", "2026-08-03", "--days", "3"), "expected --days or --start, not both"),
        (("--start", "2026-08-03", "--end", "2026-08-02"), "--start: expected a time in the past, before --end"),
        (("--start", "9998-08-03"), "--start: expected a time in the past, before --end"),
        (("--start", "soon"), "'soon' is no time such as"),
        (("--end", "1754222400"), "'1754222400' is no time such as"),
    ],
)
def test_a_span_that_is_none_is_wrong_usage(
    call: Call, tmp_path: Path, command: tuple[str, ...], options: tuple[str, ...], text: str
) -> None:
    file = config(tmp_path, "  queries: [{name: a, expr: up}]\n")
    code, said = call(*command, "--config", file, *options)
    assert (code, text in said, len(said.splitlines())) == (2, True, 1)
