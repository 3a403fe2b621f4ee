"""What the tests of the client share: a real exporter that can be killed, and a transport and a clock that obey."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exporter.conftest import Process, clock, free_port, samples, session
from vedette_client import Answer, Client, Unreachable

__all__ = ["clock", "free_port"]


class Scripted:
    """A transport that answers as it is told, in order, then 202 to all; what it was given is kept."""

    def __init__(self, *answers: Answer | int | Callable[[bytes], Answer] | None) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, bytes]] = []

    def __call__(self, path: str, body: bytes) -> Answer:
        self.requests.append((path, body))
        answer: Any = self._answers.pop(0) if self._answers else 202
        if answer is None:
            raise Unreachable("ConnectionError")
        if callable(answer):
            return answer(body)
        return Answer(answer) if isinstance(answer, int) else answer

    @property
    def sizes(self) -> list[int]:
        """Records of each request with lines."""
        return [body.count(b"\n") + 1 for _, body in self.requests]


class Exporter:
    """The real one as a process, on one port and one state folder over all its lives."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self._process: Process | None = None
        self._session = session()
        self.configure("models: [{name: m, detectors: [confidence]}]\n")

    def configure(self, text: str) -> None:
        """The configuration from its next start on."""
        (self._folder / "vedette.yml").write_text(text)

    def start(self) -> None:
        self._process = Process(
            *("serve", "--config.file", "vedette.yml", "--web.listen-address", f"127.0.0.1:{self._port}"),
            cwd=self._folder,
        )
        while self._session.get(f"{self.url}/-/ready").status_code != 200:
            pass

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            self._process.kill()
            self._process = None

    def counted(self, model: str = "m") -> int:
        """Queries of a model, once all that was taken is judged."""
        return int(self.counted_page()[f'vedette_queries_total{{model="{model}"}}'])

    def reused(self) -> int:
        """Ids that came again with other content."""
        return int(self.page()['vedette_queries_id_reused_total{model="m"}'])

    def counted_page(self) -> dict[str, float]:
        """Its metrics, once all that was taken is counted."""
        while self.page()["vedette_queue_queries"]:
            pass
        return self.page()  # what was taken out of the queue last may be on no page before

    def get(self, path: str) -> Any:
        """What it answers to somebody who asks."""
        return self._session.get(self.url + path).json()

    def page(self) -> dict[str, float]:
        """Its metrics."""
        return samples(self._session.get(f"{self.url}/metrics").text)

    def stop(self) -> None:
        self.kill()
        self._session.close()


@pytest.fixture
def exporter(tmp_path: Path, free_port: int) -> Iterator[Exporter]:
    """An exporter that is not started yet."""
    folder = tmp_path / "exporter"
    folder.mkdir()
    made = Exporter(folder, free_port)
    yield made
    made.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Make clients that are closed at the end."""
    made = []

    def make(url: str = "http://127.0.0.1:1", **settings: Any) -> Client:
        settings.setdefault("flush_interval", 0.01)
        made.append(Client(url, **settings))
        return made[-1]

    yield make
    for client in made:
        client.close(0.0)
