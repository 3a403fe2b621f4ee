"""The examples run as they are, against the real exporter."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from exporter.demo.processes import free_port
from tests.client.conftest import Exporter
from tests.exporter.conftest import ROOT, session

EXAMPLES = ROOT / "client" / "examples"
MODELS = "models: [{name: sentiment, modality: text}, {name: iris, modality: tabular}, {name: chat, modality: text}]\n"


@pytest.fixture
def running(exporter: Exporter) -> Exporter:
    exporter.configure(MODELS)
    exporter.start()
    return exporter


def environment(exporter: Exporter, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "client"), "VEDETTE_URL": exporter.url, **more}


def test_fastapi(running: Exporter) -> None:
    pytest.importorskip("fastapi")
    port = str(free_port())
    command = [sys.executable, "-m", "uvicorn", "fastapi_service:app", "--port", port]
    with session() as http, subprocess.Popen(command, cwd=EXAMPLES, env=environment(running)) as service:
        for word in ("lovely", "grey", "wet"):
            url = f"http://127.0.0.1:{port}/classify"
            answer = http.post(url, json=f"what a {word} day", headers={"X-User": "ada"})
            assert sum(answer.json()) == pytest.approx(1)
        service.terminate()
    assert running.counted("sentiment") == 3


def test_scikit_learn(running: Exporter) -> None:
    pytest.importorskip("sklearn")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "scikit_learn.py"],
        env=environment(running, VEDETTE_FEEDBACK="1"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "delivered=120" in done.stdout
    assert running.counted("iris") == 60
    assert running.counted_page()['vedette_model_accuracy_ratio{model="iris"}'] > 0.9


class Chat(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that streams three words."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["stream"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        base = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "chat"}
        for word in ("Because", " of", " light"):
            logprob = {"token": word, "logprob": -0.1, "bytes": None, "top_logprobs": []}
            choice = {"index": 0, "delta": {"content": word}, "logprobs": {"content": [logprob]}, "finish_reason": None}
            self._event({**base, "choices": [choice]})
        self._event({**base, "choices": [], "usage": {"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Chat)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_openai_chat(running: Exporter, chat: str) -> None:
    pytest.importorskip("openai")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "openai_chat.py", "Why", "blue?"],
        env=environment(running, OPENAI_BASE_URL=chat, OPENAI_API_KEY="none", CHAT_MODEL="chat"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Because of light\n")
    assert running.counted("chat") == 1
