"""What mutes what, on the real Alertmanager: each pair muted, and not muted where it does not follow."""

import re
from typing import Any

import pytest

from tests.stack.processes import CONFIG, Alertmanager, eventually, load
from tests.stack.sinks import Posts

pytestmark = pytest.mark.stack

#: a minute of production is 0.2 s here
DIVISOR = 300

DOWN = {"alertname": "VedetteExporterDown", "severity": "critical", "category": "self"}
SHARE = {"alertname": "VedetteFlaggedShareHigh", "category": "attack", "model": "fraud", "detector": "similarity"}
CLIENT = {"alertname": "VedetteClientSuspicious", "category": "attack", "model": "fraud", "client": "c1"}
VARIANTS = {**CLIENT, "family": "variants"}
CLUSTER = {
    "alertname": "VedetteClusterOverAccounts",
    "severity": "critical",
    "category": "attack",
    "model": "fraud",
    "accounts": "several",
    "family": "variants",
}
BURN = {"alertname": "VedetteSloBurn", "category": "health", "model": "fraud", "slo": "latency"}
SILENT = {"alertname": "VedetteNoQueries", "severity": "warning", "category": "health", "model": "fraud"}
ODD = {"alertname": "VedetteAnomaly", "severity": "warning", "category": "anomaly", "query": "cpu"}


def at(severity: str, labels: dict[str, str]) -> dict[str, str]:
    return {**labels, "severity": severity}


#: (source, target that it mutes, what makes the target one that it must not mute)
PAIRS = {
    "down mutes no queries": (DOWN, SILENT, {"job": "another"}),
    "down mutes anomalies": (DOWN, ODD, {"job": "another"}),
    "down mutes no attack": (DOWN, SILENT, at("warning", SHARE)),
    "down mutes no other fault of its own": (DOWN, SILENT, {"category": "self"}),
    "down mutes no alert of others": (DOWN, SILENT, {"alertname": "NodeSilent"}),
    "critical mutes the warning": (at("critical", CLIENT), at("warning", CLIENT), {"client": "c2"}),
    "critical mutes the information": (at("critical", BURN), at("info", BURN), {"slo": "errors"}),
    "warning mutes the information": (at("warning", SHARE), at("info", SHARE), {"detector": "confidence"}),
    "only of the same model": (at("warning", SHARE), at("info", SHARE), {"model": "other"}),
    "only of the same alert": (at("warning", SHARE), at("info", SHARE), {"alertname": "VedetteOther"}),
    "a cluster mutes clients that only variants speak against": (CLUSTER, at("warning", VARIANTS), {"family": ""}),
    "a cluster mutes no page": (CLUSTER, at("warning", VARIANTS), {"severity": "critical", "client": "c2"}),
    "a cluster mutes no client of another model": (CLUSTER, at("warning", VARIANTS), {"model": "other"}),
    "only of the same job": (at("warning", SHARE), at("info", SHARE), {"job": "another"}),
}
#: alerts that an attacker can bring about by flooding: they mute nothing
FLOODED = ("VedetteQueueSaturated", "VedetteQueriesRejected", "VedetteDetectorErrors", "VedetteIntakeStalled")


def alert(labels: dict[str, str], **more: str) -> dict[str, Any]:
    return {"labels": {"job": "vedette", **labels, **more}, "annotations": {"summary": "s", "description": "d"}}


def muted(alertmanager: Alertmanager, case: str, **labels: str) -> bool:
    """Whether the alert of this case with these labels is inhibited. An inhibited alert stays so until it ends."""
    (found,) = alertmanager.alerts(case=case, **labels)
    return bool(found["status"]["inhibitedBy"])


@pytest.mark.parametrize("name", PAIRS)
def test_the_source_mutes_its_target_and_not_its_neighbour(alertmanager: Alertmanager, name: str) -> None:
    source, target, neighbour = PAIRS[name]
    # each case has a job of its own, so that no case sees the sources of another
    case = name.replace(" ", "-")
    job = {"job": case, "case": case}
    spared = {**target, **job, **neighbour, "role": "spared"}
    spared["job"] = "another" if neighbour.get("job") else case
    alertmanager.post(alert({**source, **job}), alert({**target, **job}, role="muted"), alert(spared))
    eventually(name, lambda: muted(alertmanager, case, role="muted"))
    assert not muted(alertmanager, case, role="spared")
    # the target comes back with the end of its source
    alertmanager.post({**alert({**source, **job}), "endsAt": "2026-03-01T10:00:00Z"})
    eventually("the end of the source", lambda: not muted(alertmanager, case, role="muted"))


@pytest.mark.parametrize("source", FLOODED)
def test_what_can_be_brought_about_by_flooding_mutes_nothing(alertmanager: Alertmanager, source: str) -> None:
    severity = "info" if source == "VedetteQueriesRejected" else "warning"
    flooded = {"alertname": source, "severity": severity, "category": "self", "case": source, "job": source}
    attack = {**SHARE, "severity": "warning", "case": source, "job": source}
    silent = {**SILENT, "case": source, "job": source}
    information = {**attack, "severity": "info"}
    alertmanager.post(alert(flooded), alert(attack), alert(silent), alert(information))
    # by then the flooded alert, which came first, has been taken as a source if it is one
    eventually(
        "the information to be muted by the attack", lambda: muted(alertmanager, source, severity="info", model="fraud")
    )
    assert not muted(alertmanager, source, alertname=SHARE["alertname"], severity="warning")
    assert not muted(alertmanager, source, alertname=SILENT["alertname"])


def test_the_lower_never_mutes_the_higher(alertmanager: Alertmanager) -> None:
    share = {**SHARE, "job": "lower", "case": "lower"}
    alertmanager.post(alert({**share, "severity": "info"}), alert({**share, "severity": "warning"}))
    eventually("the information to be muted", lambda: muted(alertmanager, "lower", severity="info"))
    assert not muted(alertmanager, "lower", severity="warning")


def test_what_is_muted_is_not_delivered_and_what_is_not_is(alertmanager: Alertmanager, http: Posts) -> None:
    client = {**CLIENT, "job": "delivered", "model": "delivered"}
    alertmanager.post(alert({**client, "severity": "critical"}))
    eventually("the page", lambda: http.at("/v2/enqueue", "delivered"))
    alertmanager.post(
        alert({**client, "severity": "warning"}), alert({**client, "severity": "warning", "client": "c2"})
    )
    (ticket,) = eventually("the ticket", lambda: http.at("/vedette", "delivered"))
    assert [one["labels"]["client"] for one in ticket.body["alerts"]] == ["c2"]


def test_every_inhibition_has_its_pair_here() -> None:
    def matches(matchers: list[str], labels: dict[str, str]) -> bool:
        for matcher in matchers:
            name, operator, value = re.fullmatch(r'(\w+)(=~?)"(.*)"', matcher).groups()
            if not re.fullmatch(value if operator == "=~" else re.escape(value), labels.get(name, "")):
                return False
        return True

    for rule in load(CONFIG)["inhibit_rules"]:
        assert any(
            matches(rule["source_matchers"], source) and matches(rule["target_matchers"], target)
            for source, target, _ in PAIRS.values()
        ), rule
