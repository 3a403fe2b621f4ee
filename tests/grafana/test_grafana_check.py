"""The check for whoever has a Grafana, against the few answers of one that it needs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tools.grafana_check import choose_prometheus, main, verdict

SOURCES = [
    {"type": "loki", "uid": "logs"},
    {"type": "prometheus", "uid": "old"},
    {"type": "prometheus", "uid": "main", "isDefault": True},
]
FRAME = {"schema": {"fields": []}, "data": {"values": [[0], [1]]}}


class Grafana(BaseHTTPRequestHandler):
    """Answers like Grafana's HTTP API; the server keeps what was asked and which expression is refused."""

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/api/datasources":
            self.reply(200, SOURCES)
        elif path.startswith("/api/datasources/uid/main/resources/api/v1/label/"):
            self.reply(200, {"status": "success", "data": ["a"]})
        else:
            self.reply(404, {"message": "not found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        if self.path == "/api/ds/query":
            query = body["queries"][0]
            refused = self.server.refused and self.server.refused in query["expr"]
            self.reply(200, {"results": {query["refId"]: {"error": "parse error"} if refused else {"frames": [FRAME]}}})
        else:
            self.reply(self.server.status, {"status": "success"})

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def grafana():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Grafana)
    server.asked, server.refused, server.status = [], None, 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def command(grafana, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    return ["--url", f"http://127.0.0.1:{grafana.server_port}/", "--token-file", str(tmp_path / "token")]


def test_all_dashboards_are_imported_and_every_panel_is_asked(grafana, command, capsys):
    assert main(command) == 0
    imported = [body for path, _, body in grafana.asked if path == "/api/dashboards/db"]
    assert [body["dashboard"]["uid"] for body in imported] == [
        "vedette-anomalies",
        "vedette-clients",
        "vedette-health",
        "vedette-model",
        "vedette-overview",
    ]
    assert all(body["overwrite"] and body["folderUid"] == "vedette" for body in imported)
    queries = [body["queries"][0] for path, _, body in grafana.asked if path == "/api/ds/query"]
    lines = capsys.readouterr().out.splitlines()
    assert len(queries) == len(lines) > 40
    assert {query["datasource"]["uid"] for query in queries} == {"main"}
    assert not any("$" in query["expr"] for query in queries)
    assert {token for _, token, _ in grafana.asked} == {"Bearer secret"}


def test_a_panel_that_grafana_refuses_is_named(grafana, command, capsys):
    grafana.refused = "vedette_detector_window_queries"
    assert main(command) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert failed == ["FAILED vedette-model Window a A: parse error"]


def test_a_token_that_may_not_write_is_an_error_in_one_line(grafana, command, capsys):
    grafana.status = 403
    assert main(command) == 1
    assert capsys.readouterr().err.startswith("grafana-check: POST http://127.0.0.1")


def test_a_missing_token_file_is_an_error_in_one_line(command, capsys):
    assert main([*command[:-1], "/nowhere/token"]) == 1
    assert capsys.readouterr().err == "grafana-check: [Errno 2] No such file or directory: '/nowhere/token'\n"


def test_the_default_prometheus_is_asked_unless_another_is_named():
    assert choose_prometheus(SOURCES, None) == "main"
    assert choose_prometheus(SOURCES, "old") == "old"
    with pytest.raises(ValueError, match="no Prometheus data source with uid logs"):
        choose_prometheus(SOURCES, "logs")


def test_a_frame_without_values_is_no_series():
    assert verdict({"frames": [FRAME, {"data": {"values": []}}]}) == (1, None)
