"""The service, wired together: what there is, in the order in which it starts and stops."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric

from exporter.access import AccessError
from exporter.access.basic import BasicUsers
from exporter.access.gate import Gate
from exporter.access.middleware import AccessControl
from exporter.addresses import is_loopback
from exporter.anomalies.recorded import recording
from exporter.anomalies.service import AnomalyService
from exporter.api import alerts as alert_routes
from exporter.api import anomalies as anomaly_routes
from exporter.api import clients as client_routes
from exporter.api import health, learned
from exporter.api import history as history_routes
from exporter.api import models as model_routes
from exporter.api import references as reference_routes
from exporter.api.app import build as build_api
from exporter.api.asked import answer_unavailable
from exporter.api.clients import ClientDesk
from exporter.api.references import ReferenceDesk
from exporter.canary import Canary
from exporter.config import Config
from exporter.config_change import Change, difference
from exporter.config_file import ConfigError, check
from exporter.formats import custom, drift, feedback, inference
from exporter.health.inferences import Inferences
from exporter.history.alertmanager import Alertmanager
from exporter.history.judged import Judged
from exporter.history.noticed import Noticed
from exporter.history.reconciler import Reconciler
from exporter.history.recorder import Recorder
from exporter.http.fast_detect import FastDetect, protocol
from exporter.http.protocol import Connections
from exporter.http.server import SAMPLE_PATHS, HotPaths
from exporter.http.tls import WebFile
from exporter.ledger import Ledger
from exporter.metrics.collector import VedetteCollector
from exporter.metrics.exposed import Exposed
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.pseudonyms import pseudonyms
from exporter.recovery.keeper import Keeper
from exporter.registration import NotReady, Registration, Registrations, Wrong, listed
from exporter.sources.detect import DetectIntake
from exporter.sources.drop.directory import DropDirectory
from exporter.sources.duplicates import Duplicates
from exporter.sources.push import PushIntake
from exporter.sources.samples import SampleIntake, joined, room_in
from exporter.storage.journal import Journal
from exporter.storage.secret import kept_secret
from exporter.web.guard import with_headers

log = logging.getLogger(__name__)
#: how long a stop waits for requests in hand, and then for what was read, the queue and the history together: with the
#: last snapshot that is an end within ten seconds. What is not judged by then is judged after the next start
REQUEST_SECONDS, STOP_SECONDS = 2, 6.0


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says of the service."""

    host: str = "127.0.0.1"
    port: int = 10833
    telemetry_path: str = "/metrics"
    enable_lifecycle: bool = False
    web: WebFile | None = None


class Service:
    """Everything that runs. `read_config` reads the configuration anew and raises ConfigError."""

    def __init__(self, config: Config, read_config: Callable[[], Config], options: ServeOptions) -> None:
        self._registrations = Registrations(Path(config.storage.path) / "models")
        #: the configuration as its file has it, without the registered models
        self._written = config
        #: held while the configuration changes
        self._changing = threading.Lock()
        config = self._registrations.merged(config)
        limits = config.limits
        self._read_config, self._options = read_config, options
        self._ready = False
        #: whether a signal asked for the configuration to be read anew before the past was back
        self._reload_later = False
        #: why it could not start
        self.failure: Exception | None = None
        self.gate = Gate(config, options.telemetry_path, _users(options.web))
        self.pseudonyms = pseudonyms(config)
        duplicates, storage = Duplicates(), config.storage
        state = Path(storage.path)
        self.pipeline = Pipeline(Models(config, secret=kept_secret(state)), limits.queue_queries, limits.queue_bytes)
        self._journal = Journal(state / "journal", max_bytes=storage.journal_bytes, sync=storage.sync)
        self._ledger = ledger = Ledger(self.pipeline, self._journal, storage.sync)
        self._push = push = PushIntake(ledger, duplicates, limits)
        self._detect = detect = DetectIntake(ledger, duplicates, limits)
        detect.is_silent = config.sources.detect.answer == "silent"
        self.history = Recorder(config) if config.history.enabled else None
        self._samples = {
            "inference": SampleIntake("inference", inference.decode, ledger, limits),
            "custom": SampleIntake("custom", custom.decode, ledger, limits, admit=self.pipeline.samples.custom.admit),
            "feedback": SampleIntake("feedback", feedback.decode, ledger, limits, answer=joined),
        }
        if self.history is not None:
            self._samples["drift"] = SampleIntake("drift", drift.decode, ledger, limits, admit=room_in(self.history))
        self.canary = Canary(self.pipeline, limits)
        self.connections = Connections(limits, options.telemetry_path)
        self.fast = FastDetect(
            detect,
            is_ready=lambda: self._ready,
            allowed=self._may_go_fast,
            also={"/api/v1/metrics/inference": self._samples["inference"].take_light},
        )
        self._drop = self._drop_directory(config)
        self.keeper = Keeper(
            state,
            config,
            self.pipeline,
            duplicates,
            self._journal,
            kept=self._drop.queries.kept if self._drop else list,
            answered=detect.answered,
            history=self.history,
        )
        url, credentials = config.alerts.url or config.external.alertmanager_url, config.alerts.credentials_file
        self._alertmanager = Alertmanager(url, credentials) if url and self.history else None
        self._reconciler: Reconciler | None = None
        now = time.time()
        self.exposed = Exposed(
            config=config,
            pipeline=self.pipeline,
            intake={
                "push": push.counts,
                "detect": detect.counts,
                **({"drop": self._drop.queries.counts} if self._drop else {}),
            },
            files=self._drop.queries.files if self._drop else None,
            http=self.connections,
            canary=self.canary,
            open_intake=self._is_open,
            web_is_good=options.web.looks_good if options.web else None,
            journal=self._journal,
            keeper=self.keeper,
            state=state,
            gate=self.gate,
            shown=self.pseudonyms.shown,
            history=self.history,
            samples={source: intake.counts for source, intake in self._samples.items()},
            reloaded_at=now,
        )
        self.anomalies = AnomalyService(config.anomalies, state, self._own_metrics)
        self.exposed.blocks = self.anomalies.blocks
        registry = CollectorRegistry(auto_describe=False)
        process = (ProcessCollector(registry=None), PlatformCollector(registry=None))
        registry.register(VedetteCollector(self.exposed, process))
        self.http = HotPaths(
            push,
            detect,
            registry,
            is_ready=lambda: self._ready,
            behind=build_api(self.reload, options.telemetry_path, options.enable_lifecycle, self._add_routes),
            limits=limits,
            telemetry_path=options.telemetry_path,
            samples={SAMPLE_PATHS[source]: intake for source, intake in self._samples.items()},
        )
        self.served = AccessControl(self.http, self.gate, config)

    def _add_routes(self, app: FastAPI) -> None:
        health.add(app, self.history)
        app.include_router(anomaly_routes.router(self.anomalies, self.history))
        model_routes.add(app, self, partial(learned.baselines, self.anomalies))
        if self.history is not None:
            alerts = self.exposed.config.alerts
            answer_unavailable(app)
            history_routes.add(app, self.history)
            alert_routes.add(app, self.history, self._alertmanager, alerts.silences)
        # after /api/v1/clients/alarms, which is no client
        reference_routes.add(app, ReferenceDesk(self.pipeline, self.keeper.save))
        client_routes.add(app, ClientDesk(self.pipeline, self.pseudonyms, self.keeper.save, time.time))

    def _own_metrics(self) -> Iterable[Metric]:
        """What the program exposes of itself, to be learned."""
        return VedetteCollector(replace(self.exposed, blocks=tuple)).collect()

    @staticmethod
    def _drop_directory(config: Config) -> DropDirectory | None:
        drop = config.sources.drop_directory
        return DropDirectory(drop.path, config.limits, done=drop.done) if drop else None

    def reload(self) -> None:
        """Take over the configuration anew. Raises ConfigError and changes nothing when it is wrong."""
        with self._changing:
            try:
                written = self._read_config()
                self.gate.configure(written)
            except (ConfigError, AccessError) as error:
                self.exposed.reload_successful = False
                log.error("the configuration was not reloaded", extra={"reason": str(error)})
                raise
            self._written = written
            self._take_over(self._registrations.merged(written))
            self.exposed.reload_successful, self.exposed.reloaded_at = True, time.time()

    def register(self, model: Registration) -> None:
        """Watch a model as if the configuration named it. Raises Wrong, NotReady and OSError; then nothing changed."""
        with self._changing:
            if not self._ready:
                raise NotReady  # what the journal holds is counted by the models as they were
            if self._registrations.by_id.get(model.id) == model:
                return  # a service that registers its model whenever it starts
            self._registrations.check(model, self._written)
            alone = msgspec.structs.replace(self._written, models=(model.model(),))
            problems: list[str] = []
            check(alone, lambda path, problem: problems.append(problem))
            if problems:
                raise Wrong(f"model_type: {problems[0]}")
            self._registrations.add(model)
            self._take_over(self._registrations.merged(self._written))

    def registered(self) -> list[dict[str, Any]]:
        """All models that are configured or registered."""
        return listed(self.exposed.config, self._registrations)

    def _take_over(self, config: Config) -> None:
        models = self.pipeline.models
        change = difference(self.exposed.config, config, seen=list(models.by_label))
        self.pipeline.between(lambda: self._watch(config))
        self._push.limits = self._detect.limits = self.connections.limits = config.limits
        self._detect.is_silent = config.sources.detect.answer == "silent"
        for intake in self._samples.values():
            intake.limits = config.limits
        if self._drop:
            self._drop.queries.limits = config.limits
        self.served.configure(config)
        self.http.configure(config.limits)
        self.anomalies.configure(config.anomalies)
        self.anomalies.start()
        self.exposed.config = config
        _log_reload(change)
        self.keeper.save()  # what is counted from here on belongs to the new configuration

    def _watch(self, config: Config) -> None:
        with self.pipeline.lock:
            self.pipeline.watch(Models(config, previous=self.pipeline.models))
        self.keeper.config = config

    def _is_open(self) -> bool:
        """Whether anybody in the network may push."""
        web = self._options.web
        knows = (web is not None and web.current().config.knows_who_asks) or self.gate.is_closed
        return not knows and not is_loopback(self._options.host)

    def _may_go_fast(self) -> bool:
        """Whether neither the gate nor the headers of the web configuration concern a request."""
        web = self._options.web
        adds = web is not None and web.current().config.http_server_config.headers.values
        return not adds and not self.gate.is_guarding

    def _hang_up(self) -> None:
        """Reload for SIGHUP, off the event loop; what the journal holds is counted by the models as they were."""
        self._reload_later = not self._ready
        if self._ready:
            asyncio.get_running_loop().run_in_executor(None, self._reload_on_signal)

    def _reload_on_signal(self) -> None:
        with contextlib.suppress(ConfigError, AccessError):  # it is in the log
            self.reload()

    async def run(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT; then judge what is queued and return."""
        web = self._options.web
        settings = uvicorn.Config(
            with_headers(self.served, web) if web else self.served,
            loop="uvloop",
            http=protocol(self.connections, self.fast),
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            log_config=None,
            timeout_graceful_shutdown=REQUEST_SECONDS,
        )
        settings.load()
        settings.ssl = web.server_context() if web else None
        server = _Server(settings)
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, server.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self.pipeline.on_failure = partial(loop.call_soon_threadsafe, server.stop)
        canary = asyncio.create_task(self._begin(server))
        if self._is_open():
            log.warning("anybody who reaches this address may push queries", extra={"address": self._options.host})
        try:
            await server.serve(sockets=[listener])
        finally:
            self._ready = False
            canary.cancel()
            await asyncio.to_thread(self._stop)

    async def _begin(self, server: "_Server") -> None:
        """Bring back what was, then take in and judge; meanwhile health and metrics are answered already."""
        try:
            self._attach_history()
            taken = await asyncio.to_thread(self.keeper.recover)
            self._journal.start()
            self._start_history()
            self.pipeline.start()
            self.keeper.start(self.exposed.config.storage.snapshot_interval)
            self.anomalies.start()
            if self._drop:
                self._drop.start(self._ledger, taken)
        except Exception as error:
            log.exception("the start has failed")
            self.failure = error
            server.stop()
            return
        self._ready = True
        if self._reload_later:
            self._hang_up()
        await self.canary.run()

    def _attach_history(self) -> None:
        """Have the judging tell the history: of a replay only the minutes, the rest was recorded before."""
        if self.history is not None:
            kept, shown, pipeline = self.history.config.history, self.pseudonyms.shown, self.pipeline

            def health(label: str) -> Inferences:
                return pipeline.models.by_label[label].health

            self.history.replaying = True
            pipeline.on_judged = Judged(self.history, health, kept.evidence, kept.flagged_per_second, shown)
            pipeline.noticed = Noticed(self.history, health, kept.evidence, shown)

    def _start_history(self) -> None:
        """Record what is judged from here on."""
        if self.history is not None:
            noticed, reports = self.pipeline.noticed, self.pipeline.samples.reports
            assert noticed is not None
            self.history.start()
            self.pipeline.models.worker.on_looked = noticed.drift
            self.anomalies.log.on_change = recording(self.history)
            reports.on_report = noticed.reported
            reports.tell_again()
            if self._alertmanager is not None:
                interval = self.exposed.config.alerts.reconcile_interval
                self._reconciler = Reconciler(self.history, self._alertmanager, interval)
                self._reconciler.start()

    def _stop(self) -> None:
        """Sources first, so that what they handed over is judged; then the state as it is."""
        end = time.monotonic() + STOP_SECONDS

        def left() -> float:
            return min(max(end - time.monotonic(), 0.2), STOP_SECONDS / 2)

        if self._drop and not self._drop.stop(left()):
            log.error("stopped before all that was read of the drop directory was judged")
        if not self.pipeline.stop(left()):
            log.error("stopped before all queued queries were judged", extra={"queries": self.pipeline.waiting})
        if not self.anomalies.stop(left()):
            log.error("stopped while a query was read or learned")
        if self._reconciler is not None:
            self._reconciler.stop(min(left(), 1.0))
        if self.history is not None and not self.history.stop(left()):
            log.error("stopped before all of the history was written")
        if not self.keeper.stop(left()):
            log.error("stopped without a last snapshot: the next start judges again what came since the one before")
        self._journal.stop()
        self.pseudonyms.close()


def _log_reload(change: Change) -> None:
    built = {model: detectors.built for model, detectors in change.detectors.items() if detectors.built}
    log.info(
        "configuration reloaded",
        extra={
            "models_added": ",".join(change.added),
            "models_removed": ",".join(change.removed),
            "detectors_built": ",".join(f"{model}/{name}" for model, names in built.items() for name in names),
        },
    )
    for sentence in change.fixed:
        log.warning(sentence)


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to the service: a stop is an orderly end, not a death by signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


def _users(web: WebFile | None) -> BasicUsers | None:
    return None if web is None else BasicUsers(lambda: web.latest.config.basic_auth_users.hashes)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
