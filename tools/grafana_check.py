"""Imports the dashboards into a running Grafana and has it answer every panel: `make grafana-check`.

    python -m tools.grafana_check --url https://grafana.example.org --token-file token.txt

The token needs a service account that may write dashboards (Editor). The dashboards go into the folder "Vedette" under
their own uids, so a second run replaces them. Queries take Grafana's own way, `/api/ds/query`.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from tools.grafana_queries import Question, Window, questions, resolve

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "vedette"


def connect(token: str) -> requests.Session:
    """A session that says who it is."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def call(session: requests.Session, method: str, url: str, **arguments: Any) -> Any:
    """The JSON of an answer. Raises requests.HTTPError with Grafana's own words."""
    response = session.request(method, url, timeout=60, **arguments)
    if not response.ok:
        raise requests.HTTPError(f"{method} {url}: {response.status_code} {response.text[:300]}")
    return response.json()


def import_dashboard(session: requests.Session, grafana: str, dashboard: Mapping[str, Any]) -> None:
    """Create the dashboard, or replace the one with its uid."""
    if session.get(f"{grafana}/api/folders/{FOLDER}", timeout=60).status_code == 404:
        call(session, "POST", f"{grafana}/api/folders", json={"uid": FOLDER, "title": "Vedette"})
    wanted = {"dashboard": dashboard, "folderUid": FOLDER, "overwrite": True, "message": "vedette: grafana-check"}
    call(session, "POST", f"{grafana}/api/dashboards/db", json=wanted)


def choose_prometheus(sources: Sequence[Mapping[str, Any]], uid: str | None) -> str:
    """The uid of the data source to ask: the one named, the default, or the first. Raises ValueError without any."""
    known = [source for source in sources if source["type"] == "prometheus"]
    if uid is not None:
        known = [source for source in known if source["uid"] == uid]
    if not known:
        raise ValueError("this Grafana has no Prometheus data source" + (f" with uid {uid}" if uid else ""))
    return str(min(known, key=lambda source: not source.get("isDefault"))["uid"])


def payload(question: Question, uid: str, window: Window) -> dict[str, Any]:
    """The body of `/api/ds/query` for one query."""
    query = {
        "refId": question.ref,
        "datasource": {"type": "prometheus", "uid": uid},
        "expr": question.expression,
        "legendFormat": question.legend,
        "instant": question.instant,
        "range": not question.instant,
        "intervalMs": int(window.step_seconds * 1000),
        "maxDataPoints": 1000,
    }
    return {"queries": [query], "from": str(int(window.start * 1000)), "to": str(int(window.end * 1000))}


def verdict(result: Mapping[str, Any]) -> tuple[int, str | None]:
    """How many series a result of `/api/ds/query` holds, and its error if it is one."""
    if result.get("error"):
        return 0, str(result["error"])
    return sum(bool(frame["data"]["values"]) for frame in result.get("frames") or ()), None


def check(
    session: requests.Session, grafana: str, dashboard: Mapping[str, Any], uid: str
) -> Iterator[tuple[str, bool]]:
    """(a line for people, whether it is fine) for every query of the dashboard over the last hour."""
    now = time.time()
    window = Window(start=now - 3600, end=now)
    texts, values = resolve(f"{grafana}/api/datasources/uid/{uid}/resources", session, dashboard, {}, window)
    for question in questions(dashboard, texts, values):
        reply = session.post(f"{grafana}/api/ds/query", json=payload(question, uid, window), timeout=60).json()
        series, error = verdict(
            reply.get("results", {}).get(question.ref) or {"error": reply.get("message", "no result")}
        )
        yield f"{question.panel} {question.ref}: {error or f'{series} series'}", error is None


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every dashboard. Returns 0 when Grafana answered every query, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="address of the Grafana")
    parser.add_argument("--token-file", required=True, type=Path, help="file that holds a service account token")
    parser.add_argument("--datasource", help="uid of the Prometheus data source; the default one otherwise")
    options = parser.parse_args(arguments)
    grafana, failed = options.url.rstrip("/"), 0
    try:
        session = connect(options.token_file.read_text().strip())
        uid = choose_prometheus(call(session, "GET", f"{grafana}/api/datasources"), options.datasource)
        for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
            dashboard = json.loads(path.read_text())
            import_dashboard(session, grafana, dashboard)
            for line, fine in check(session, grafana, dashboard, uid):
                failed += not fine
                print("ok    " if fine else "FAILED", dashboard["uid"], line)
    except (OSError, ValueError) as error:
        print(f"grafana-check: {error}", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
