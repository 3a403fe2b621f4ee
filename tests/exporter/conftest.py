"""What the tests of the exporter share: configurations, a clock, detectors of one's own, and a running server."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import urllib3
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from detectors import Detector, register_detector
from detectors.registry import DETECTORS
from exporter.api import clients as client_routes
from exporter.api import references as reference_routes
from exporter.api.app import build as build_api
from exporter.api.clients import ClientDesk
from exporter.api.references import ReferenceDesk
from exporter.canary import Canary
from exporter.config import Config, Defaults, DetectorConfig, Limits, Model, Storage
from exporter.delivery import Delivery
from exporter.formats import custom, drift, feedback, inference
from exporter.history.recorder import Recorder
from exporter.http.fast_detect import FastDetect, protocol
from exporter.http.protocol import Connections
from exporter.http.server import SAMPLE_PATHS, HotPaths
from exporter.ledger import Ledger
from exporter.metrics.collector import VedetteCollector
from exporter.metrics.exposed import Exposed
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.pseudonyms import AsTheyAre
from exporter.sources.detect import DetectIntake
from exporter.sources.duplicates import Duplicates
from exporter.sources.push import PushIntake
from exporter.sources.samples import SampleIntake, joined, room_in
from tests.exporter.answers import check_requests
from tests.exporter.history.postgres import NotToBeHad, Postgres

ROOT = Path(__file__).parents[2]
#: entropy from which the tests' confidence detector flags; two even classes have ln 2 = 0.69
CONFIDENCE = DetectorConfig(name="confidence", options={"threshold": 0.5})
SURE, UNSURE = [0.99, 0.01], [0.5, 0.5]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Config]:
    """A configuration: the detectors of the defaults, models and limits."""

    def build(
        *detectors: DetectorConfig, models: tuple[Model, ...] = (), limits: Limits | None = None, **other: Any
    ) -> Config:
        defaults = Defaults(detectors=detectors or (CONFIDENCE,))
        other.setdefault("storage", Storage(path=str(tmp_path / "state"), sync=False))
        return Config(defaults=defaults, models=models, limits=limits or Limits(), **other)

    return build


@pytest.fixture
def register() -> Iterator[Callable[[str, type], None]]:
    """Make a detector of the test's own known by name, until the test ends."""
    names = []

    def add(name: str, cls: type) -> None:
        register_detector(name, cls, modality="any", base="custom")
        names.append(name)

    yield add
    for name in names:
        del DETECTORS[name]


class LengthDetector(Detector):
    """Scores a text by its length; "boom" breaks it, "nan" gives no number."""

    name = "length"
    buckets = (1.0, 2.0, 5.0, 10.0)

    def _compute_score(self, query: Any) -> float:
        if query.input_data == "boom":
            raise RuntimeError("the text of the query stays out of the log")
        return float("nan") if query.input_data == "nan" else float(len(query.input_data))


@pytest.fixture
def length(register: Callable[[str, type], None]) -> DetectorConfig:
    """A registered detector whose score is the length of the text; flagged from 5."""
    register("length", LengthDetector)
    return DetectorConfig(name="length", options={"threshold": 5})


class Exporter:
    """An exporter that serves on a port of its own; its parts are at hand."""

    def __init__(
        self,
        config: Config,
        is_ready: Callable[[], bool],
        clock: Callable[[], float],
        reload: Callable[[], None] | None,
    ) -> None:
        limits = config.limits
        self.pipeline = Pipeline(Models(config), limits.queue_queries, limits.queue_bytes)
        self.duplicates = Duplicates()
        ledger = Ledger(self.pipeline)
        self.push_intake = PushIntake(ledger, self.duplicates, limits, clock)
        self.detect_intake = DetectIntake(ledger, self.duplicates, limits, clock)
        admit = self.pipeline.samples.custom.admit
        #: nothing is written by it
        self.history = Recorder(config)
        self.samples = {
            "inference": SampleIntake("inference", inference.decode, ledger, limits, clock),
            "custom": SampleIntake("custom", custom.decode, ledger, limits, clock, admit=admit),
            "feedback": SampleIntake("feedback", feedback.decode, ledger, limits, clock, answer=joined),
            "drift": SampleIntake("drift", drift.decode, ledger, limits, clock, admit=room_in(self.history)),
        }
        self.canary = Canary(self.pipeline, limits)
        intake = {"push": self.push_intake.counts, "detect": self.detect_intake.counts}
        self.connections = Connections(limits)
        self.fast = FastDetect(
            self.detect_intake, is_ready, also={"/api/v1/metrics/inference": self.samples["inference"].take_light}
        )
        self.exposed = Exposed(
            config=config,
            pipeline=self.pipeline,
            intake=intake,
            canary=self.canary,
            http=self.connections,
            samples={source: taken.counts for source, taken in self.samples.items()},
            clock=clock,
        )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(VedetteCollector(self.exposed))
        #: whether what is decided on clients can be kept
        self.saves = True
        desk = ClientDesk(self.pipeline, AsTheyAre(), lambda: self.saves, clock)

        def add_routes(app: FastAPI) -> None:
            reference_routes.add(app, ReferenceDesk(self.pipeline, lambda: self.saves))
            client_routes.add(app, desk)

        behind = build_api(reload, "/metrics", add_routes=add_routes)
        samples = {SAMPLE_PATHS[source]: taken for source, taken in self.samples.items()}
        http = HotPaths(self.push_intake, self.detect_intake, registry, is_ready, behind, limits, samples=samples)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.session = session()
        self._judging = False
        self._server = uvicorn.Server(
            uvicorn.Config(
                http,
                http=protocol(self.connections, self.fast),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if not self._judging:
            self.judge()
        self.pipeline.stop(10)
        self._server.should_exit = True
        self._thread.join(10)
        self.session.close()
        self._listener.close()

    def shut_down(self) -> None:
        """Begin to stop: what is in hand is answered first."""
        self._server.should_exit = True

    def judge(self) -> None:
        """Start the judging thread."""
        self.pipeline.start()
        self._judging = True

    def push(self, body: Any, **headers: str) -> requests.Response:
        return self._post("/api/v1/queries", body, headers)

    def detect(self, body: Any, **headers: str) -> requests.Response:
        return self._post("/detect", body, headers)

    def measure(self, body: Any, source: str = "inference", **headers: str) -> requests.Response:
        return self._post(f"/api/v1/metrics/{source}", body, headers)

    def tell(self, truths: Any, **headers: str) -> requests.Response:
        return self._post(SAMPLE_PATHS["feedback"], truths, headers)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.url + path, headers=headers, timeout=30)

    def _post(self, path: str, body: Any, headers: dict[str, str]) -> requests.Response:
        data = msgspec.json.encode(body) if isinstance(body, (dict, list)) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.post(self.url + path, data=data, headers=named, timeout=30)

    def settle(self) -> None:
        """Wait until all that was taken so far is judged."""
        judged = threading.Event()
        assert self.pipeline.offer(Delivery(source="test", queries=[], received=0, done=lambda _: judged.set()))
        assert judged.wait(10)

    def page(self) -> dict[str, float]:
        """The samples of `/metrics` once all is judged, as `name{label="value",…}`, labels in order of name."""
        self.settle()
        return samples(self.get("/metrics").text)


def session() -> requests.Session:
    """HTTP without proxies, which waits for a server that is just starting."""
    made = requests.Session()
    made.trust_env = False
    made.hooks["response"].append(check_requests)
    retry = urllib3.Retry(total=None, connect=40, read=0, redirect=0, status=0, other=0, backoff_factor=0.01)
    retry.DEFAULT_BACKOFF_MAX = retry.backoff_max = 0.2
    made.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    return made


def samples(page: str) -> dict[str, float]:
    """The samples of a page in the text format by name and labels."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.fixture
def serve(config: Callable[..., Config]) -> Iterator[Callable[..., Exporter]]:
    """Start an exporter: its configuration, whether it judges, whether it is ready, its clock and how it reloads."""
    running = []

    def start(
        configured: Config | None = None,
        judging: bool = True,
        is_ready: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = lambda: 1_000_000.0,
        reload: Callable[[], None] | None = None,
    ) -> Exporter:
        exporter = Exporter(configured or config(), is_ready, clock, reload)
        exporter.start()
        running.append(exporter)
        if judging:
            exporter.judge()
        return exporter

    yield start
    for exporter in running:
        exporter.stop()


class Process:
    """`python -m exporter …` as a process of its own."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "exporter", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def finish(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error, once it ended by itself."""
        out, err = self._process.communicate(timeout=30)
        return self._process.returncode, out, err

    def kill(self) -> None:
        """End it if it still runs, and let go of its pipes."""
        with self._process:
            self._process.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL of this test run."""
    try:
        server = Postgres()
    except NotToBeHad as error:
        pytest.skip(f"PostgreSQL cannot be started: {error}")
    yield server
    server.remove()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start the program with arguments, in a folder of its own."""
    started = []

    def start(*arguments: str) -> Process:
        started.append(Process(*arguments, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_one_line(text: str) -> bool:
    """Whether a text is one line, without a traceback."""
    return bool(re.fullmatch(r"[^\n]+\n", text)) and "Traceback" not in text
