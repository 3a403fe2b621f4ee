"""Each receiver of the bundled configuration delivers, once, what a reader needs, and tells when it is over."""

from typing import Any

import pytest

from tests.stack.processes import CONFIG, Alertmanager, eventually, load
from tests.stack.sinks import Mails, Posts, texts

pytestmark = pytest.mark.stack

#: a minute of production is 0.2 s here
DIVISOR = 300

STARTED = "2026-03-01T10:00:00Z"
ENDED = "2026-03-01T11:30:00Z"


def alert(name: str, severity: str, category: str, model: str, **more: str) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "category": category, "model": model, "job": "vedette", **more}
    return {
        "labels": labels,
        "annotations": {
            "summary": f"repetition flags 75% of the queries to {model}",
            "description": f"The detector flagged 75% of the queries to {model} & its critical share is <20%>.",
            "measured": "75%",
            "threshold": "20%",
            "runbook_url": f"https://runbooks.test/{name}",
            "dashboard_url": f"http://grafana.test/d/vedette-overview?var-model={model}",
        },
        "startsAt": STARTED,
        "generatorURL": "http://prometheus.test/graph",
    }


def ended(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "endsAt": ENDED}


def test_a_critical_alert_pages_and_is_told_to_slack_and_so_is_its_end(alertmanager: Alertmanager, http: Posts) -> None:
    page = alert("VedetteClusterOverAccounts", "critical", "attack", "model-page")
    alertmanager.post(page)
    event = eventually("the page", lambda: http.at("/v2/enqueue", "model-page"))[0].body
    assert event["routing_key"] == "routing-key"
    assert event["event_action"] == "trigger"
    assert event["payload"]["summary"] == "[1 firing] repetition flags 75% of the queries to model-page"
    assert event["payload"]["severity"] == "critical"
    assert (event["payload"]["component"], event["payload"]["class"]) == ("model-page", "attack")
    firing = event["payload"]["custom_details"]["firing"]
    for words in ("Measured: 75% (threshold 20%)", "model: model-page", "Since: 2026-03-01 10:00:00 UTC"):
        assert words in firing
    assert {"text": "Runbook", "href": "https://runbooks.test/VedetteClusterOverAccounts"} in event["links"]
    assert {"text": "Dashboard", "href": page["annotations"]["dashboard_url"]} in event["links"]
    assert len(eventually("the message", lambda: http.at("/slack", "model-page"))) == 1

    alertmanager.post(ended(page))
    pages = eventually("the end of the page", lambda: http.at("/v2/enqueue", "model-page")[1:])
    assert [one.body["event_action"] for one in pages] == ["resolve"]
    assert pages[0].body["dedup_key"] == event["dedup_key"]
    assert len(eventually("the end on slack", lambda: http.at("/slack", "model-page")[1:])) == 1


def test_slack_is_told_model_detector_share_threshold_since_when_and_links_with_markup_escaped(
    alertmanager: Alertmanager, http: Posts
) -> None:
    attack = alert("VedetteFlaggedShareHigh", "warning", "attack", "model-slack", detector="repetition")
    alertmanager.post(attack)
    message = eventually("the message", lambda: http.at("/slack", "model-slack"))[0].body
    assert message["channel"] == "#vedette"
    (attachment,) = message["attachments"]
    assert attachment["title"] == "[1 firing] repetition flags 75% of the queries to model-slack"
    assert attachment["color"] == "warning"
    assert attachment["text"].strip().splitlines() == [
        "*repetition flags 75% of the queries to model-slack*",
        "The detector flagged 75% of the queries to model-slack &amp; its critical share is &lt;20%&gt;.",
        "Measured `75%`, threshold `20%`",
        "detector `repetition` job `vedette` model `model-slack` severity `warning` ",
        "Since 2026-03-01 10:00:00 UTC",
        "<https://runbooks.test/VedetteFlaggedShareHigh|Runbook>"
        " | <http://grafana.test/d/vedette-overview?var-model=model-slack|Dashboard>"
        " | <http://prometheus.test/graph|Prometheus>",
    ]
    alertmanager.post(ended(attack))
    over = eventually("its end", lambda: http.at("/slack", "model-slack")[1:])[0].body["attachments"][0]
    assert over["title"].startswith("[resolved] repetition flags")
    assert over["color"] == "good"
    assert "Since 2026-03-01 10:00:00 UTC until 2026-03-01 11:30:00 UTC" in over["text"]


def test_mail_says_the_same_in_text_and_in_html(alertmanager: Alertmanager, mail: Mails) -> None:
    attack = alert("VedetteFlaggedShareHigh", "warning", "attack", "model-mail", detector="repetition")
    alertmanager.post(attack)
    (message,) = eventually("the mail", lambda: mail.to("security@example.com", "model-mail"))
    assert (b"vedette@example.com", b"mail-password") in mail.logins
    assert message["From"] == "vedette@example.com"
    assert message["Subject"] == "[1 firing] repetition flags 75% of the queries to model-mail"
    text, html = texts(message)
    for words in ("Measured: 75% (threshold 20%)", "detector: repetition", "Since: 2026-03-01 10:00:00 UTC", "<20%>"):
        assert words in text
    for words in ("75%", "repetition", "2026-03-01 10:00:00 UTC", "&amp; its critical share is &lt;20%&gt;"):
        assert words in html
    assert '<a href="https://runbooks.test/VedetteFlaggedShareHigh">Runbook</a>' in html
    assert "<no value>" not in text + html
    alertmanager.post(ended(attack))
    over = eventually("its end", lambda: mail.to("security@example.com", "model-mail")[1:])[0]
    assert over["Subject"] == "[resolved] repetition flags 75% of the queries to model-mail"
    assert "Until: 2026-03-01 11:30:00 UTC" in "".join(texts(over))


def test_the_webhook_carries_its_token_and_every_annotation(alertmanager: Alertmanager, http: Posts) -> None:
    attack = alert("VedetteFlaggedShareHigh", "warning", "attack", "model-webhook", detector="repetition")
    alertmanager.post(attack)
    (request,) = eventually("the webhook", lambda: http.at("/vedette", "model-webhook"))
    assert request.headers["Authorization"] == "Bearer siem-token"
    (one,) = request.body["alerts"]
    assert (one["status"], one["labels"]) == ("firing", attack["labels"])
    assert one["annotations"] == attack["annotations"]
    alertmanager.post(ended(attack))
    over = eventually("its end", lambda: http.at("/vedette", "model-webhook")[1:])[0].body
    assert over["status"] == "resolved"


@pytest.mark.parametrize(("category", "address"), [("health", "ml"), ("anomaly", "ml"), ("self", "operations")])
def test_a_warning_goes_to_the_people_of_its_category(
    alertmanager: Alertmanager, http: Posts, mail: Mails, category: str, address: str
) -> None:
    model = f"model-{category}"
    alertmanager.post(alert("VedetteSomething", "warning", category, model))
    (message,) = eventually("the mail", lambda: mail.to(f"{address}@example.com", model))
    assert message["Subject"].endswith(model)
    assert len(eventually("the message", lambda: http.at("/slack", model))) == 1


def test_the_digest_gathers_what_is_for_information_by_category_and_pages_nobody(
    alertmanager: Alertmanager, http: Posts, mail: Mails
) -> None:
    for number in range(3):
        shares = alert("VedetteFlaggedShareHigh", "info", "attack", f"model-digest-{number}")
        # what began longer ago than group_wait is told at once
        alertmanager.post({name: value for name, value in shares.items() if name != "startsAt"})
    (digest,) = eventually("the digest", lambda: mail.to("ml@example.com", "model-digest-0"))
    assert digest["Subject"] == "[3 firing] Vedette: attack"
    assert all(f"model-digest-{number}" in "".join(texts(digest)) for number in range(3))
    assert not http.at("/slack", "model-digest")
    assert not http.at("/v2/enqueue", "model-digest")


def test_the_watchdog_goes_to_the_dead_mans_switch_and_is_repeated(alertmanager: Alertmanager, http: Posts) -> None:
    watchdog = {"labels": {"alertname": "VedetteWatchdog", "severity": "none", "category": "self"}}
    alertmanager.post(watchdog)
    beats = eventually("three beats", lambda: http.at("/vedette", "VedetteWatchdog")[2:])
    assert beats[0].headers["Authorization"] == "Bearer deadman-token"
    assert not http.at("/slack", "VedetteWatchdog")


def test_a_drill_reaches_every_receiver_at_once(alertmanager: Alertmanager, http: Posts, mail: Mails) -> None:
    alertmanager.post(alert("VedetteTest", "info", "self", "model-drill"))
    eventually("the page", lambda: http.at("/v2/enqueue", "model-drill"))
    eventually("four messages on slack", lambda: len(http.at("/slack", "model-drill")) == 4)
    eventually("both webhooks", lambda: len(http.at("/vedette", "model-drill")) == 2)
    eventually("mail to security", lambda: mail.to("security@example.com", "model-drill"))
    eventually("mail to operations", lambda: mail.to("operations@example.com", "model-drill"))
    eventually("mail to the owners, and the digest", lambda: len(mail.to("ml@example.com", "model-drill")) == 2)
    tokens = {one.headers["Authorization"] for one in http.at("/vedette", "model-drill")}
    assert tokens == {"Bearer siem-token", "Bearer deadman-token"}
    delivered = {one["name"] for one in alertmanager.alerts(model="model-drill")[0]["receivers"]}
    # the history hears nothing of the exporter itself, which a drill is about
    assert delivered == {receiver["name"] for receiver in load(CONFIG)["receivers"]} - {"vedette-history"}


def test_an_alert_that_goes_on_is_told_once(alertmanager: Alertmanager, http: Posts) -> None:
    goes_on = alert("VedetteFlaggedShareHigh", "warning", "attack", "model-once")
    alertmanager.post(goes_on)
    eventually("the webhook", lambda: http.at("/vedette", "model-once"))
    alertmanager.post(goes_on)
    # a later alert of the same group is told only after the repeated one has been looked at again
    alertmanager.post(alert("VedetteClientSuspicious", "warning", "attack", "model-once"))
    requests = eventually("the second alert", lambda: http.at("/vedette", "model-once")[1:])
    assert [len(one.body["alerts"]) for one in requests] == [2]
    assert len(http.at("/vedette", "model-once")) == 2


def test_many_alerts_of_one_attack_are_two_notifications(alertmanager: Alertmanager, http: Posts) -> None:
    names = ("VedetteFlaggedShareHigh", "VedetteClientSuspicious", "VedetteExtractionSuspected")
    first, later = (
        [
            alert(name, "warning", "attack", "model-many", client=f"{wave}-{number}")
            for name in names
            for number in range(10)
        ]
        for wave in ("first", "later")
    )
    alertmanager.post(*({name: value for name, value in one.items() if name != "startsAt"} for one in first))
    eventually("the first notification", lambda: http.at("/vedette", "model-many"))
    alertmanager.post(*later)
    eventually("the second", lambda: http.at("/vedette", "model-many")[1:])
    assert len(http.at("/vedette", "model-many")) == 2
    assert len(http.at("/vedette", "model-many")[-1].body["alerts"]) == 60


def test_no_delivery_has_failed(alertmanager: Alertmanager, http: Posts) -> None:
    alertmanager.post(alert("VedetteFlaggedShareHigh", "warning", "attack", "model-last"))
    eventually("the webhook", lambda: http.at("/vedette", "model-last"))
    alertmanager.assert_all_delivered()
