"""`vedette demo`: the whole way from a query to a notification, on this machine, in under a minute.

The exporter, a real Prometheus with the bundled rules and a real Alertmanager with the bundled configuration run as
they would in production; only durations are divided, and notifications go to this terminal.
"""

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from string import Template

from exporter.commands import Failure
from exporter.demo.render import render_alertmanager, render_rules, to_sinks
from exporter.demo.sinks import MailSink, WebSink
from exporter.demo.stack import FLAVOURS, Stack, binaries
from exporter.demo.traffic import CHAT, FRAUD, IDLE, Traffic, is_attack, send

ROOT = Path(__file__).parents[2]
#: by what the durations of rules and routes are divided: five minutes become five seconds
DIVISOR = 60
QUIET_SECONDS, ATTACK_SECONDS, PERIOD_SECONDS = 8.0, 30.0, 300.0
SECRETS = ("smtp_password", "pagerduty_routing_key", "siem_token", "deadman_token", "slack_api_url")

EXPORTER_CONFIG = Template("""
models:
  - name: $chat
    modality: text
    detectors: [{confidence: {threshold: 0.9}}, {repetition: {max_history_size: 10000}}, similarity]
  - name: $fraud
    modality: tabular
    detectors: [{confidence: {threshold: 0.69}}, {repetition: {max_history_size: 10000}}]
  - {name: $idle, modality: image}
sources: {drop_directory: {path: $folder/drop}}
storage: {path: $folder/state}
external: {url: "http://$exporter", alertmanager_url: "http://$alertmanager"}
""")
PROMETHEUS_CONFIG = Template("""
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$folder/rules/*.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ["$alertmanager"]}]}]}
scrape_configs:
  - job_name: vedette
    static_configs: [{targets: ["$exporter"]}]
""")


def demo(options: argparse.Namespace) -> None:
    """Run the demo until Ctrl-C or for `--seconds`."""
    stop = threading.Event()
    # a closed terminal too: the servers would take its hangup for a reload, and stay
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: stop.set())
    if options.traffic_only:
        _traffic(options.url.rstrip("/"), stop, options.seconds, quiet=60.0, attack=900.0, period=3600.0)
        return
    stack = next((found for flavour in FLAVOURS if (found := binaries(flavour))), None)
    if stack is None:
        raise Failure("no Prometheus and Alertmanager in .cache/stack: run `make stack` in the project's folder first")
    if not (ROOT / "rules").is_dir():
        raise Failure("the demo needs the project's folder with rules/ and alertmanager/: run it from a clone")
    with tempfile.TemporaryDirectory(prefix="vedette-demo-") as folder, _running(stack, Path(folder), stop) as exporter:
        _traffic(exporter, stop, options.seconds, QUIET_SECONDS, ATTACK_SECONDS, PERIOD_SECONDS)
    print("demo stopped")


@contextlib.contextmanager
def _running(stack: Stack, folder: Path, stop: threading.Event) -> Iterator[str]:
    """Everything started, in order, until the end of the block; gives the exporter's address."""
    with contextlib.ExitStack() as running:
        web = WebSink()
        running.callback(web.stop)
        mail = MailSink(_Printer(time.monotonic()), _port(0))
        running.callback(mail.stop)
        exporter, prometheus, alertmanager = (f"127.0.0.1:{_port(port)}" for port in (10833, 9090, 9093))
        _write_configurations(folder, web.url, mail.address, exporter, alertmanager)
        commands = _commands(stack, folder, exporter, prometheus, alertmanager)
        for address, command in commands.items():
            running.enter_context(_process(command, folder, address, stop))
        for name, address in (("exporter", exporter), ("Prometheus", prometheus), ("Alertmanager", alertmanager)):
            print(f"{name:13} http://{address}")
        print(f"{stack.version('prometheus')}; {stack.version('alertmanager')}; durations divided by {DIVISOR}")
        yield f"http://{exporter}"


def _commands(stack: Stack, folder: Path, exporter: str, prometheus: str, alertmanager: str) -> dict[str, list[str]]:
    """What to start, by the address at which it then listens; in the order of starting."""
    return {
        exporter: [
            *(sys.executable, "-m", "exporter", "serve", "--log.level=warn"),
            f"--config.file={folder}/vedette.yml",
            f"--web.listen-address={exporter}",
        ],
        alertmanager: [
            str(stack.alertmanager),
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={alertmanager}",
            f"--web.external-url=http://{alertmanager}",
            "--cluster.listen-address=",
        ],
        prometheus: [
            str(stack.prometheus),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address={prometheus}",
            f"--web.external-url=http://{prometheus}",
        ],
    }


def _write_configurations(folder: Path, web: str, mail: str, exporter: str, alertmanager: str) -> None:
    rules = folder / "rules"
    rules.mkdir()
    for path in sorted((ROOT / "rules").glob("*.yml")):
        (rules / path.name).write_text(render_rules(path.read_text(), DIVISOR))
    for secret in SECRETS:
        (folder / secret).write_text(f"{web}/slack" if secret == "slack_api_url" else "demo")
    replacements = to_sinks(web, mail, folder, ROOT / "alertmanager" / "templates" / "vedette.tmpl")
    bundled = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    rendered = render_alertmanager(bundled, replacements, divisor=DIVISOR, group_wait="2s")
    (folder / "alertmanager.yml").write_text(rendered)
    places: dict[str, object] = {"folder": folder, "exporter": exporter, "alertmanager": alertmanager}
    places |= {"chat": CHAT, "fraud": FRAUD, "idle": IDLE}
    (folder / "prometheus.yml").write_text(PROMETHEUS_CONFIG.substitute(places))
    (folder / "vedette.yml").write_text(EXPORTER_CONFIG.substitute(places))


@contextlib.contextmanager
def _process(command: Sequence[str], folder: Path, address: str, stop: threading.Event) -> Iterator[None]:
    """A process with a web page, from when it is ready until the end of the block."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        while not _is_ready(address):
            if stop.wait(0.1):
                raise Failure("stopped before everything ran")
            if process.poll() is not None:
                raise Failure(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _port(wanted: int) -> int:
    """The wanted loopback port if it is free, else any."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    raise Failure("no loopback port is free")


def _traffic(
    url: str, stop: threading.Event, seconds: float | None, quiet: float, attack: float, period: float
) -> None:
    """Send traffic until told to stop, and say when the attack begins and ends."""
    deadline = None if seconds is None else time.monotonic() + seconds

    def stopped(wait: float) -> bool:
        return stop.wait(wait) or (deadline is not None and time.monotonic() >= deadline)

    attacked = partial(is_attack, quiet=quiet, attack=attack, period=period)
    before = None
    for elapsed, on, _ in send(url, attacked, stopped, Traffic().batch):
        if on != before:
            print(f"[{elapsed:5.1f} s] " + ("an attacker joins" if on else "ordinary traffic only"), flush=True)
            before = on


class _Printer:
    """Prints notifications as they arrive, with the time since the start."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def __call__(self, recipient: str, subject: str, text: str) -> None:
        elapsed = time.monotonic() - self._begun
        head = f"[{elapsed:5.1f} s] NOTIFICATION to {recipient}: {subject}"
        print("\n" + head + "\n" + textwrap.indent(text.strip(), "    ") + "\n", flush=True)
