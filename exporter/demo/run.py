"""`vedette demo`: the whole way from a query to a notification, on this machine, in under a minute.

The exporter, a real Prometheus with the bundled rules and a real Alertmanager with the bundled configuration run as
they would in production; only durations are divided, and notifications go to this terminal.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from string import Template

import requests

from exporter.commands import Failure
from exporter.config import Clients
from exporter.demo.processes import ROOT, free_port, running
from exporter.demo.render import render_alertmanager, render_rules, to_sinks
from exporter.demo.sinks import PAGES, MailSink, Request, WebSink
from exporter.demo.stack import FLAVOURS, Stack, binaries
from exporter.demo.traffic import CHAT, FAST, FRAUD, IDLE, SLOW, Schedule, send

#: by what the durations of rules and routes are divided: five minutes become five seconds
DIVISOR = 60
#: how long the first scrape is waited for; there is one each second
SCRAPE_SECONDS = 60
SECRETS = ("smtp_password", "pagerduty_routing_key", "siem_token", "deadman_token", "slack_api_url", "exporter_key")

EXPORTER_CONFIG = Template("""
defaults: {clients: {alarm_hold: ${alarm_hold}s}}
models:
  - name: $chat
    modality: text
    detectors: [{confidence: {threshold: 0.9}}, {repetition: {max_history_size: 10000}}, similarity]
    environment: prod
    thresholds: {latency: 2s, cost_per_hour: 0.4}   # an hour is a minute here
    objectives: {availability: 0.99, latency: 0.9}
    prices: {input_token: 0.00000025, output_token: 0.000001}
    drift: {reference: {queries: 300, interval: 5s}, window: {queries: 150, interval: 15s}}
  - name: $fraud
    modality: tabular
    drift: false
    environment: prod
    thresholds: {latency: 200ms}
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
        _send(options.url.rstrip("/"), SLOW, stop, options.seconds)
        return
    stack = next((found for flavour in FLAVOURS if (found := binaries(flavour))), None)
    if stack is None:
        raise Failure("no Prometheus and Alertmanager in .cache/stack: run `make stack` in the project's folder first")
    if not (ROOT / "rules").is_dir():
        raise Failure("the demo needs the project's folder with rules/ and alertmanager/: run it from a clone")
    with tempfile.TemporaryDirectory(prefix="vedette-demo-") as folder, _started(stack, Path(folder), stop) as exporter:
        _send(exporter, FAST, stop, options.seconds)
    print("demo stopped")


@contextlib.contextmanager
def _started(stack: Stack, folder: Path, stop: threading.Event) -> Iterator[str]:
    """Everything started, in order, until the end of the block; gives the exporter's address."""
    with contextlib.ExitStack() as parts:
        printer = Printer(time.monotonic())
        web = WebSink(printer.page)
        parts.callback(web.stop)
        mail = MailSink(printer.mail, free_port())
        parts.callback(mail.stop)
        exporter, prometheus, alertmanager = (f"127.0.0.1:{free_port(port)}" for port in (10833, 9090, 9093))
        _write_configurations(folder, web.url, mail.address, exporter, alertmanager)
        commands = _commands(stack, folder, exporter, prometheus, alertmanager)
        for address, command in commands.items():
            parts.enter_context(running(command, address, folder / f"{Path(command[0]).name}.log", stop))
        await_scrape(prometheus, stop)
        for name, address in (("exporter", exporter), ("Prometheus", prometheus), ("Alertmanager", alertmanager)):
            print(f"{name:13} http://{address}")
        print(f"{stack.version('prometheus')}; {stack.version('alertmanager')}; durations divided by {DIVISOR}")
        yield f"http://{exporter}"


def await_scrape(prometheus: str, stop: threading.Event) -> None:
    """Wait until Prometheus has seen the exporter's counters at 0: what it has not seen rise is in no rate."""
    deadline = time.monotonic() + SCRAPE_SECONDS
    while not _has_scraped(prometheus):
        if stop.wait(0.1):
            raise Failure("stopped before everything ran")
        if time.monotonic() > deadline:
            raise Failure(f"Prometheus has not scraped the exporter within {SCRAPE_SECONDS} s")


def _has_scraped(prometheus: str) -> bool:
    try:
        answer = requests.get(f"http://{prometheus}/api/v1/query", params={"query": "up == 1"}, timeout=10)
        return bool(answer.json()["data"]["result"])
    except (requests.RequestException, KeyError) as error:
        raise Failure(f"Prometheus does not answer: {error}") from None


def _commands(stack: Stack, folder: Path, exporter: str, prometheus: str, alertmanager: str) -> dict[str, list[str]]:
    """What to start, by the address at which it then listens; in the order of starting."""
    return {
        exporter: [
            *(sys.executable, "-m", "exporter", "serve", "--log.level=warn"),
            f"--config.file={folder}/vedette.yml",
            f"--web.listen-address={exporter}",
        ],
        alertmanager: stack.alertmanager_command(folder / "alertmanager.yml", folder / "alertmanager", alertmanager),
        prometheus: stack.prometheus_command(folder / "prometheus.yml", folder / "prometheus", prometheus),
    }


def _write_configurations(folder: Path, web: str, mail: str, exporter: str, alertmanager: str) -> None:
    rules = folder / "rules"
    rules.mkdir()
    for path in sorted((ROOT / "rules").glob("*.yml")):
        (rules / path.name).write_text(render_rules(path.read_text(), DIVISOR))
    for secret in SECRETS:
        (folder / secret).write_text(f"{web}/slack" if secret == "slack_api_url" else "demo")
    template = ROOT / "alertmanager" / "templates" / "vedette.tmpl"
    replacements = to_sinks(web, mail, folder, template, f"http://{exporter}")
    bundled = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    rendered = render_alertmanager(bundled, replacements, divisor=DIVISOR, group_wait="2s")
    (folder / "alertmanager.yml").write_text(rendered)
    places: dict[str, object] = {"folder": folder, "exporter": exporter, "alertmanager": alertmanager}
    places |= {"chat": CHAT, "fraud": FRAUD, "idle": IDLE, "alarm_hold": f"{Clients().alarm_hold / DIVISOR:g}"}
    (folder / "prometheus.yml").write_text(PROMETHEUS_CONFIG.substitute(places))
    (folder / "vedette.yml").write_text(EXPORTER_CONFIG.substitute(places))


def _send(url: str, schedule: Schedule, stop: threading.Event, seconds: float | None) -> None:
    """Send traffic until told to stop, and say when something begins and ends."""
    deadline = None if seconds is None else time.monotonic() + seconds

    def stopped(wait: float) -> bool:
        return stop.wait(wait) or (deadline is not None and time.monotonic() >= deadline)

    before = None
    for elapsed, now in send(url, schedule, stopped):
        if now != before:
            print(f"[{elapsed:5.1f} s] {now}", flush=True)
            before = now


class Printer:
    """Prints notifications as they arrive, with the time since the start."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def mail(self, message: EmailMessage) -> None:
        """A ticket."""
        body = message.get_body(("plain",))
        self._print(f"NOTIFICATION to {message['To']}: {message['Subject']}", body.get_content() if body else "")

    def page(self, request: Request) -> None:
        """A page, where it is one: somebody is woken. What else is posted says the same as the mails."""
        if request.path == PAGES:
            event = request.body["payload"]
            details = event.get("custom_details", {})
            self._print(f"PAGE: {event['summary']}", details.get("firing") or details.get("resolved") or "")

    def _print(self, head: str, text: str) -> None:
        elapsed = time.monotonic() - self._begun
        print(f"\n[{elapsed:5.1f} s] {head}\n" + textwrap.indent(text.strip(), "    ") + "\n", flush=True)
