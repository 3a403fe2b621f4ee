"""`vedette test-alert`: one synthetic alert that the bundled Alertmanager configuration sends to every receiver."""

import argparse
from datetime import UTC, datetime, timedelta

import requests

from exporter.commands import Failure
from exporter.commands.check import read_config
from exporter.commands.reaching import reaching

#: how long the alert fires: long enough to be sent, short enough to be over soon
DURATION = timedelta(minutes=5)


def test_alert(options: argparse.Namespace) -> None:
    """Send it. Raises Failure when the Alertmanager does not take it."""
    config = read_config(options.config_file)
    url = (options.alertmanager_url or config.external.alertmanager_url or "http://localhost:9093").rstrip("/")
    with reaching(url, "Alertmanager", "http://localhost:9093"):
        answer = requests.post(f"{url}/api/v2/alerts", json=[alert(datetime.now(UTC), config.external.url)], timeout=10)
    if answer.status_code != 200:
        raise Failure(f"{url}: the Alertmanager answered {answer.status_code}: {answer.text.strip()[:200]}")
    print(f"sent to {url}: every receiver of the bundled configuration gets a notification within a minute")


def alert(now: datetime, url: str) -> dict[str, object]:
    """The alert as Alertmanager's API takes it."""
    return {
        "labels": {"alertname": "VedetteTest", "severity": "info", "category": "self", "job": "vedette"},
        "annotations": {
            "summary": "This is a test: notifications reach you",
            "description": "Somebody ran `vedette test-alert`. Nothing is wrong; the alert ends by itself.",
            "runbook_url": f"{url}/docs",
            "dashboard_url": f"{url}/",
        },
        "startsAt": now.isoformat(),
        "endsAt": (now + DURATION).isoformat(),
        "generatorURL": url,
    }
