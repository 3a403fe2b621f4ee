"""The section `anomalies`: what holds for a query, and what each mistake is told as."""

import pytest

from exporter.config.anomalies import LearnedNormal
from exporter.config.yaml_lines import Problem
from exporter.config_file import ConfigError, parse

SERVER = "prometheus: {url: http://p:9090}"


def read(text: str) -> LearnedNormal:
    return parse("anomalies:\n" + "".join(f"  {line}\n" for line in text.splitlines()), "v.yml", {}).anomalies


def test_one_line_is_enough() -> None:
    assert parse("anomalies: {own: true}").anomalies.own
    assert not parse("").anomalies.own


def test_a_query_takes_what_it_leaves_out_from_above() -> None:
    section = read(
        f"{SERVER}\nmin_deviation: 3\ninterval: 2m\nqueries:\n- {{name: a, expr: up}}\n"
        "- {name: b, expr: up, min_deviation: 0, interval: 5m, direction: up}"
    )
    first, second = map(section.resolved, section.queries)
    assert (first.options.min_deviation, first.interval, first.options.direction) == (3, 120, "both")
    assert (second.options.min_deviation, second.interval, second.options.direction) == (0, 300, "up")
    assert first.silence_seconds == 60 + 120 + 3 * 60


def test_a_score_has_the_severity_of_the_highest_level_that_it_reaches() -> None:
    levels = read("severity: {high: 2.5}").severity
    scores = (0.99, 1.0, 1.6, 2.4, 2.5, 3.0, float("nan"))
    assert [levels.of(score) for score in scores] == [None, "low", "medium", "medium", "high", "critical", None]


MISTAKES = {
    "queries: [{name: a, expr: up}]": "2: anomalies.queries: nothing to read them from: missing "
    "anomalies.prometheus.url",
    "presets: [node]": "2: anomalies.presets: nothing to read them from: missing anomalies.prometheus.url",
    f"{SERVER}\npresets: [kube]": "3: anomalies.presets[0]: expected one of node, http, vedette, got 'kube'",
    f"{SERVER}\npresets: [vedette]\nown: true": "4: anomalies.own: the preset vedette reads the same from Prometheus: "
    "leave one of the two out",
    f"{SERVER}\nqueries:\n- {{name: a, expr: up}}\n- {{name: a, expr: up}}": "5: anomalies.queries[1].name: 'a' is "
    "already the name of queries[0]",
    f"{SERVER}\nqueries:\n- {{name: a, expr: x_total}}": "4: anomalies.queries[0].expr: a: x_total is a counter: "
    "expected rate(x_total[5m]), or increase, instead of its level",
    f"{SERVER}\nqueries:\n- {{name: a, expr: scalar(up)}}": "4: anomalies.queries[0].expr: a: expected an expression "
    "that gives series, got a scalar; vector(…) makes a series of it",
    f"{SERVER}\ncontexts: [{{kind: d, expr: '1'}}]": "3: anomalies.contexts[0].expr: context d: expected an expression "
    "that gives series, got a scalar; vector(…) makes a series of it",
    f"{SERVER}\nqueries:\n- {{name: a, expr: up, step: 30s}}": "4: anomalies.queries[0].step: expected whole "
    "seconds and at least 1m, got 30 s",
    f"{SERVER}\nqueries:\n- {{name: a, expr: up, group: g}}\n- {{name: b, expr: up, group: g, step: 5m}}": "5: "
    "anomalies.queries[1].step: expected the 60 s of the group g, got 300 s",
    f"{SERVER}\nqueries:\n- {{name: a, expr: up, step: 15m}}\n- {{name: b, expr: up, step: 1h, min_points: 168}}": "4: "
    "anomalies.queries[0].step: expected at most 604 s for 1000 points (min_points) in the 604800 s of "
    "training.window, got 900 s",
    "own: true\ntraining: {window: 12h}": "3: anomalies.training.window: expected at least 60000 s for 1000 points "
    "(min_points), got 43200 s",
    f"{SERVER}\nqueries:\n- {{name: 'a b', expr: up}}": "4: anomalies.queries[0].name: expected 1 to 128 of the "
    "characters A-Z a-z 0-9 . _ : / @ -, got 'a b'",
    "prometheus: {url: 'http://user:secret@p:9090'}": "2: anomalies.prometheus.url: expected an address such as "
    "http://host:9090, without user, password and query, got 'http://user:secret@p:9090'",
    "prometheus: {url: http://p, cert_file: a}": "2: anomalies.prometheus: expected both cert_file and "
    "key_file, or neither",
    "prometheus: {url: http://p, credentials_file: a, basic_auth: {username: u, password_file: f}}": "2: "
    "anomalies.prometheus: expected basic_auth or credentials_file, not both",
    "prometheus: {url: http://p, headers: {Authorization: x}}": "2: anomalies.prometheus.headers: expected headers and "
    "their texts, such as X-Scope-OrgID: team-a, got a mapping",
    "prometheus: {url: https://p, insecure_skip_verify: true, ca_file: c}": "2: "
    "anomalies.prometheus.insecure_skip_verify: contradicts ca_file and server_name, which are there to verify",
    "training: {at: '25:00'}": "2: anomalies.training.at: expected a time of the day such as 02:30, got '25:00'",
    "severity: {low: 2}": "2: anomalies.severity: expected low <= medium <= high <= critical, got 2 1.5 2 3",
    f"{SERVER}\ncontexts: [{{kind: d, expr: 1}}]": "3: anomalies.contexts[0].expr: expected a text that is not empty, "
    "got 1; put it in quotes",
    "contexts: [{kind: d, expr: up}]": "2: anomalies.contexts: nothing to read them from: missing "
    "anomalies.prometheus.url",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_names_its_line_and_key(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert [str(problem) for problem in error.value.problems] == [f"v.yml:{MISTAKES[text]}"]


def test_an_expression_that_cannot_be_learned_is_the_fault_of_its_query_alone() -> None:
    text = f"anomalies:\n  {SERVER}\n  queries:\n  - {{name: good, expr: up}}\n  - {{name: bad, expr: '42'}}"
    told: list[Problem] = []
    config = parse(text, "v.yml", {}, told.append)
    assert [query.name for query in config.anomalies.queries] == ["good", "bad"]
    assert [str(problem) for problem in told] == [
        "v.yml:5: anomalies.queries[1].expr: bad: expected an expression that gives series, got a scalar; vector(…) "
        "makes a series of it"
    ]


def test_what_is_wrong_elsewhere_is_no_less_wrong_for_it() -> None:
    text = f"anomalies:\n  {SERVER}\n  lag: 0\n  queries: [{{name: bad, expr: '42'}}]"
    told: list[Problem] = []
    with pytest.raises(ConfigError) as error:
        parse(text, "v.yml", {}, told.append)
    assert [problem.key for problem in error.value.problems] == ["anomalies.lag", "anomalies.queries[0].expr"]
    assert told == []
