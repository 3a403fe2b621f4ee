"""The bundled rules on the real Prometheus, over what an exporter exposes, up to the notification."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.demo.stack import Stack
from tests.stack.processes import Alertmanager, Prometheus, eventually
from tests.stack.sinks import Mails, Posts, Target, texts

pytestmark = pytest.mark.stack

#: a minute of production is 0.8 s here. Not faster: Prometheus takes 5 s to find its targets, and by a tenth minute
#: without any they are down
DIVISOR = 75
DETECTORS = ("confidence", "repetition", "similarity")


class Exposition:
    """What an exporter with one model exposes. Between two scrapes every detector judges 20 queries.

    flagged: of these 20, how many each detector flags from now on.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.flagged = dict.fromkeys(DETECTORS, 0)
        self.judgements = 0
        self.flags = dict.fromkeys(DETECTORS, 0)

    def __call__(self) -> str:
        self.judgements += 20
        lines = [
            f'vedette_queries_total{{model="{self.model}"}} {self.judgements}',
            f'vedette_queries_accepted_total{{source="http"}} {self.judgements}',
            'vedette_queries_rejected_total{source="http",reason="malformed"} 0',
            'vedette_build_info{version="0.1.0"} 1',
            'vedette_external_info{url="http://vedette.test:10833",grafana_url="http://grafana.test"} 1',
            "vedette_config_last_reload_successful 1",
            "vedette_queue_queries 0",
            "vedette_queue_capacity_queries 50000",
        ]
        for detector in DETECTORS:
            self.flags[detector] += self.flagged[detector]
            labels = f'model="{self.model}",detector="{detector}"'
            lines += [
                f"vedette_detector_judgements_total{{{labels}}} {self.judgements}",
                f"vedette_detector_flags_total{{{labels}}} {self.flags[detector]}",
                f'vedette_detector_errors_total{{{labels},reason="exception"}} 0',
                f'vedette_flagged_threshold_ratio{{{labels},level="warning"}} 0.05',
                f'vedette_flagged_threshold_ratio{{{labels},level="critical"}} 0.2',
            ]
        return "\n".join(lines) + "\n"


class Exporters:
    """The exporters of all the tests; each test has a job of its own. Of the twins, two in one job, one is attacked."""

    def __init__(self) -> None:
        self.expositions = {model: Exposition(model) for model in ("calm", "attacked", "killed", "twins")}
        self.targets = {model: Target(exposition) for model, exposition in self.expositions.items()}
        self.second_twin = Target(Exposition("twins"))
        self.expositions["twins"].flagged["similarity"] = 15

    def jobs(self) -> dict[str, list[str]]:
        jobs = {f"vedette-{model}": [target.address] for model, target in self.targets.items()}
        jobs["vedette-twins"].append(self.second_twin.address)
        return jobs

    def stop(self) -> None:
        for target in (*self.targets.values(), self.second_twin):
            target.stop()


@pytest.fixture(scope="module")
def exporters(stack: Stack) -> Iterator[Exporters]:
    running = Exporters()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def prometheus(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, exporters: Exporters, alertmanager: Alertmanager
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp(f"prometheus-{stack.flavour}")
    server = Prometheus(stack, folder, exporters.jobs(), alertmanager.url, DIVISOR)
    yield server
    server.stop()


def attacks(http: Posts) -> list[dict[str, Any]]:
    """The webhooks about the attacked model that were sent, in order."""
    return [one.body for one in http.at("/vedette", "vedette-attacked")]


def let_production_minutes_pass(http: Posts, minutes: int) -> None:
    """Wait for as many beats of the watchdog, which is repeated every minute of production."""
    beats = len(http.at("/vedette", "VedetteWatchdog"))
    eventually(f"{minutes} beats", lambda: len(http.at("/vedette", "VedetteWatchdog")) >= beats + minutes)


def test_ordinary_traffic_fires_nothing_and_every_rule_evaluates(
    prometheus: Prometheus, alertmanager: Alertmanager, http: Posts
) -> None:
    shares = 'job_model_detector:vedette_detector_flags_per_judgements:ratio_rate1h{job="vedette-calm"}'
    eventually("the shares of three detectors", lambda: len(prometheus.query(shares)) == 3)
    let_production_minutes_pass(http, 8)
    assert alertmanager.alerts(alertname="VedetteWatchdog")
    assert not alertmanager.alerts(job="vedette-calm")
    rules = [rule for group in prometheus.get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert prometheus.metric("prometheus_rule_evaluation_failures_total") == 0


def test_an_attack_is_told_in_at_most_two_notifications_with_its_numbers_and_links(
    prometheus: Prometheus, alertmanager: Alertmanager, exporters: Exporters, http: Posts, mail: Mails
) -> None:
    attacked = exporters.expositions["attacked"]
    eventually("ordinary traffic", lambda: attacked.judgements >= 100)
    attacked.flagged = dict.fromkeys(DETECTORS, 15)
    eventually("all three in one notification", lambda: [one for one in attacks(http) if len(one["alerts"]) == 3])
    let_production_minutes_pass(http, 8)
    assert 1 <= len(attacks(http)) <= 2
    assert 1 <= len(http.at("/slack", "attacked")) <= 2
    assert not http.at("/v2/enqueue", "attacked")

    alert = next(one for one in attacks(http)[-1]["alerts"] if one["labels"]["detector"] == "repetition")
    assert alert["labels"] == {
        "alertname": "VedetteFlaggedShareHigh",
        "severity": "warning",
        "category": "attack",
        "job": "vedette-attacked",
        "model": "attacked",
        "detector": "repetition",
    }
    assert alert["annotations"]["summary"].startswith("repetition flags ")
    assert alert["annotations"]["threshold"] == "20%"
    assert float(alert["annotations"]["measured"].removesuffix("%")) > 20
    assert "its critical share is 20%" in alert["annotations"]["description"]
    assert alert["annotations"]["dashboard_url"] == (
        "http://grafana.test/d/vedette-overview?var-job=vedette-attacked&var-model=attacked"
    )
    assert alert["annotations"]["runbook_url"].endswith("/docs/alerts/VedetteFlaggedShareHigh.md")
    assert alert["annotations"]["summary"] in "".join(texts(mail.to("security@example.com", "attacked")[-1]))

    # over: the alerts end, and so it is told
    attacked.flagged = dict.fromkeys(DETECTORS, 0)
    eventually("the end", lambda: [one for one in attacks(http) if one["status"] == "resolved"], seconds=60)
    assert prometheus.metric("prometheus_rule_evaluation_failures_total") == 0
    alertmanager.assert_all_delivered()


def test_an_exporter_that_is_killed_is_paged(
    prometheus: Prometheus, exporters: Exporters, alertmanager: Alertmanager, http: Posts
) -> None:
    eventually("a first scrape", lambda: prometheus.query('up{job="vedette-killed"} == 1'))
    exporters.targets["killed"].stop()
    (page,) = eventually("the page", lambda: http.at("/v2/enqueue", "vedette-killed"))
    assert page.body["payload"]["summary"] == "[1 firing] vedette-killed is down: no query is judged"
    assert "targets?search=vedette-killed" in json.dumps(page.body["links"])
    alertmanager.assert_all_delivered()


def test_two_exporters_of_one_job_are_one_alert_a_level_and_a_ticket_of_their_own(
    prometheus: Prometheus, exporters: Exporters
) -> None:
    eventually("both levels", lambda: len(prometheus.firing("VedetteFlaggedShareHigh", "vedette-twins")) == 2)
    shares = prometheus.firing("VedetteFlaggedShareHigh", "vedette-twins")
    assert sorted(labels["severity"] for labels in shares) == ["info", "warning"]
    assert not any("instance" in labels for labels in shares)
    (several,) = eventually("the ticket", lambda: prometheus.firing("VedetteSeveralInstances", "vedette-twins"))
    assert "instance" not in several
    assert prometheus.metric("prometheus_rule_evaluation_failures_total") == 0
