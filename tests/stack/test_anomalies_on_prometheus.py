"""Learned series on the real servers: read from one Prometheus, alerted on by another, told by Alertmanager.

The first one holds two weeks of node metrics with a leak, a spike, a flat line and a load at 3 a.m. in the last night,
which the exporter lives through a minute at a time, as fast as it can.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from exporter.anomalies.anomaly import Anomaly
from exporter.anomalies.groups import ALGORITHM
from exporter.anomalies.replay import replay, replay_together
from exporter.anomalies.service import AnomalyService
from exporter.config_file import parse
from exporter.demo.processes import free_port
from exporter.demo.stack import Stack
from exporter.metrics.page import Page
from tests.exporter.conftest import Clock
from tests.stack import node_samples
from tests.stack.node_samples import END, HOUR, LAST_DAY, MINUTE
from tests.stack.processes import Alertmanager, Prometheus, Server, eventually
from tests.stack.sinks import Mails, Target, texts

pytestmark = pytest.mark.stack

DIVISOR = 75
JOB = "vedette-learned"
CONFIG = """
anomalies:
  prometheus: {{url: {url}}}
  presets: [node]
  queries:
    - {{name: temperature, expr: 'node_hwmon_temp_celsius # of the board', min_deviation: 2}}
    - {{name: nothing, expr: there_is_no_such_metric}}
    - {{name: matched, expr: node_hwmon_temp_celsius * on (job) node_memory_MemTotal_bytes}}
    - {{name: many, expr: node_hwmon_temp_celsius, series: 5}}
    - {{name: answer, expr: '42'}}
  contexts:
    - {{kind: broken, expr: node_hwmon_temp_celsius * on (job) node_memory_MemTotal_bytes}}
"""
#: what is odd: the query, the machine, and the hour at which that begins
ODD = {
    ("node_memory", "leak"): 1.0,
    ("temperature", "flat"): 1.5,
    ("node_network_receive", "spike"): 2.0,
    ("node_cpu", "night"): 3.0,
}


#: machines on which metrics of the group `node` are odd together: the thermometer belongs to no group
IN_GROUPS = {"leak", "spike", "night"}


class Exposed(Collector):
    """What the service exposes, on a page of its own."""

    def __init__(self, service: AnomalyService, labelled: bool) -> None:
        self._service, self._labelled = service, labelled

    def collect(self) -> Iterable[Metric]:
        if self._labelled:
            return self._service.labelled()
        page = Page(20_000)
        for block in self._service.blocks():
            page.add(block)
        return page.metrics()

    def __call__(self) -> str:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        page = generate_latest(registry).decode()
        if self._labelled:
            return page
        return page + (
            'vedette_external_info{url="http://vedette.test:10833",grafana_url="http://grafana.test"} 1\n'
            "vedette_config_last_reload_successful 1\n"
        )


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Path:
    folder = tmp_path_factory.mktemp(f"node-samples-{stack.flavour}")
    with (folder / "samples.om").open("w") as file:
        file.writelines(node_samples.openmetrics())
    command = [stack.promtool, "tsdb", "create-blocks-from", "--max-block-duration=360h", "openmetrics"]
    subprocess.run([*command, folder / "samples.om", folder / "data"], check=True, capture_output=True)
    return folder / "data"


@pytest.fixture(scope="module")
def node_prometheus(stack: Stack, blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The one that is read."""
    folder = tmp_path_factory.mktemp(f"node-prometheus-{stack.flavour}")
    (folder / "prometheus.yml").write_text("{}")
    shutil.copytree(blocks, folder / "data")
    port = free_port()
    command = stack.prometheus_command(folder / "prometheus.yml", folder / "data", f"127.0.0.1:{port}")
    server = Server(command, port, folder)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def clock(stack: Stack) -> Clock:
    return Clock(LAST_DAY + HOUR / 2)


@pytest.fixture(scope="module")
def service(
    stack: Stack, node_prometheus: Server, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> AnomalyService:
    """The service, once it has learned what can be learned."""
    config = parse(CONFIG.format(url=node_prometheus.url), environment={}, tolerate=lambda problem: None).anomalies
    learning = AnomalyService(config, tmp_path_factory.mktemp(f"state-{stack.flavour}"), clock=clock)
    while learning.train_due(clock.now):
        pass
    return learning


@pytest.fixture(scope="module")
def prometheus(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, service: AnomalyService, alertmanager: Alertmanager
) -> Iterator[Prometheus]:
    """The one that alerts. It scrapes both pages."""
    targets = {JOB: Target(Exposed(service, labelled=False)), "vedette-labels": Target(Exposed(service, labelled=True))}
    folder = tmp_path_factory.mktemp(f"prometheus-{stack.flavour}")
    jobs = {job: [target.address] for job, target in targets.items()}
    server = Prometheus(stack, folder, jobs, alertmanager.url, DIVISOR, labelled=["vedette-labels"])
    yield server
    server.stop()
    for target in targets.values():
        target.stop()


def pass_minutes(service: AnomalyService, clock: Clock, until: float) -> None:
    while clock.now < until:
        clock.now += MINUTE
        service.tick(clock.now)


def found(service: AnomalyService) -> dict[tuple[str, str], float]:
    """What was found: query and machine, and the hour of the last day."""
    return {
        (one.metric, one.labels["instance"].removesuffix(":9100")): (one.time - LAST_DAY) / HOUR
        for one in service.log.newest_first()
        if one.algorithm != ALGORITHM
    }


def machines_of_groups(anomalies: Iterable[Anomaly]) -> set[str]:
    """The machines on which metrics did not go together."""
    return {one.labels["instance"].removesuffix(":9100") for one in anomalies if one.metric == "group:node"}


def told(mail: Mails, query: str) -> list[str]:
    """The mails on a query, as texts."""
    return ["".join(texts(one)) for one in mail.to("ml@example.com", f"{query}: 1 series left")]


def test_what_cannot_be_learned_says_why_and_the_others_learn(service: AnomalyService) -> None:
    errors = {name: str(query.error) for name, query in service.queries.items() if query.error}
    assert errors["nothing"] == "nothing: the expression has no series now"
    assert errors["matched"].startswith("matched: found duplicate series for the match group")
    assert errors["many"].startswith("many: 6 series, more than its bound of 5; aggregate them")
    assert errors["answer"].startswith("answer: expected an expression that gives series, got a scalar")
    [(_, context)] = service.sources.contexts.states()
    assert str(context).startswith("context broken: found duplicate series for the match group")
    ready = {name: len(query.series) for name, query in service.queries.items() if query.is_ready}
    assert ready == dict.fromkeys(("node_cpu", "node_memory", "node_network_receive", "temperature"), 6)
    assert not service.queries["nothing"].is_warming_up
    assert service.queries["node_disk_io"].is_warming_up  # of a preset: it need not be there


def test_both_pages_are_scraped_and_one_has_the_labels_of_the_series(
    prometheus: Prometheus, service: AnomalyService, clock: Clock
) -> None:
    pass_minutes(service, clock, clock.now + 3 * MINUTE)
    scores = f'vedette_anomaly_score{{query="temperature", job="{JOB}"}}'
    eventually("six scores", lambda: len(prometheus.query(scores)) == 6)
    assert {frozenset(one["metric"]) for one in prometheus.query(scores)} == {
        frozenset({"__name__", "job", "instance", "query", "series"})
    }
    labelled = 'vedette_anomaly_score{query="temperature", job="node", instance="flat:9100", chip="0"}'
    eventually("the labels of the machine", lambda: prometheus.query(labelled))
    within = f'vedette_anomaly_lower{{job="{JOB}"}} <= vedette_anomaly_expected <= vedette_anomaly_upper'
    assert len(prometheus.query(within)) == 24


def test_the_alerts_fire_for_what_is_odd_and_say_expected_against_actual(
    prometheus: Prometheus, alertmanager: Alertmanager, service: AnomalyService, clock: Clock, mail: Mails
) -> None:
    for (query, machine), hour in sorted(ODD.items(), key=lambda item: item[1]):
        pass_minutes(service, clock, LAST_DAY + (hour + 0.1) * HOUR)
        while (query, machine) not in found(service):
            pass_minutes(service, clock, clock.now + MINUTE)
            assert clock.now < LAST_DAY + (hour + 1) * HOUR, f"{query} of {machine} was not found within an hour"
        [alert] = eventually("the alert", lambda query=query: alertmanager.alerts(query=query))
        assert alert["labels"] == {
            "alertname": "VedetteAnomaly",
            "severity": "warning",
            "category": "anomaly",
            "job": JOB,
            "query": query,
        }
        assert alert["annotations"]["dashboard_url"].endswith(f"var-job={JOB}&var-query={query}")
        text = eventually("the mail", lambda query=query: told(mail, query))[0]
        assert re.search(rf"instance:{machine}:9100 expected \S+, actual \S+\s+\(score", text), text


def test_nothing_else_fired_in_the_whole_night(
    prometheus: Prometheus, alertmanager: Alertmanager, service: AnomalyService, clock: Clock
) -> None:
    pass_minutes(service, clock, END)
    assert set(found(service)) == set(ODD)
    assert machines_of_groups(service.log.newest_first()) == IN_GROUPS
    assert service.log.incidents("node_cpu", 0) == 1
    fired = prometheus.query('count by (alertname, query) (count_over_time(ALERTS{category="anomaly"}[1h]))')
    of_anomalies = {one["metric"].get("query") for one in fired if one["metric"]["alertname"] == "VedetteAnomaly"}
    assert of_anomalies == {query for query, _ in ODD}
    assert {one["metric"]["alertname"] for one in fired} <= {"VedetteAnomaly", "VedetteGroupAnomaly"}
    assert prometheus.metric("prometheus_rule_evaluation_failures_total") == 0
    alertmanager.assert_all_delivered()


def test_a_replay_of_the_night_finds_the_same(service: AnomalyService, clock: Clock) -> None:
    source = service.sources.prometheus
    assert source is not None
    found = {}
    for name, query in service.queries.items():
        if query.is_ready:
            for one in replay(query.config, service.config, source, 2, END + MINUTE):
                found[name, one.labels["instance"].removesuffix(":9100")] = one
    assert set(found) == set(ODD)
    members = [query.config for query in service.members("node") if query.is_ready]
    together = replay_together(members, service.config, source, 2, END + MINUTE)
    assert machines_of_groups(together.anomalies) == IN_GROUPS
    assert not together.errors
