"""The bundled rules and Alertmanager configuration, made fast enough to watch, for the demo and for the tests.

Only durations, addresses and paths change: whatever fires here fires in the same way, more slowly, in production.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

#: a duration that stands by itself (`[5m]`, `for: 10m`, "over 5m"), not the end of a name such as `…:rate5m`
DURATION = re.compile(r"\b(\d+)(ms|s|m|h|d)\b")
MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def render_rules(text: str, divisor: float) -> str:
    """A rule file with every duration divided, also those that its annotations speak of.

    Above 100 a Prometheus that starts calls its exporter down, before it has found it (that takes it 5 s).
    """
    return DURATION.sub(lambda found: _divided(int(found[1]), found[2], divisor), text)


def render_alertmanager(
    text: str, replacements: Mapping[str, str], *, divisor: float = 1, group_wait: str | None = None
) -> str:
    """An Alertmanager configuration with every duration divided and the replacements made (see `to_sinks`).

    group_wait: that of the top route, instead of the divided one. Raises ValueError for a replacement that matches
    nothing.
    """
    text = render_rules(text, divisor)
    if group_wait is not None:
        text = re.sub(r"group_wait: \S+", f"group_wait: {group_wait}", text, count=1)
    for old, new in replacements.items():
        if old not in text:
            raise ValueError(f"{old!r} does not stand in the Alertmanager configuration")
        text = text.replace(old, new)
    return text


def to_sinks(http: str, smtp: str, secrets: Path, template: Path, exporter: str | None = None) -> dict[str, str]:
    """The replacements that send every notification to this machine.

    http: address of an HTTP server, such as http://127.0.0.1:9000; smtp: host:port of a mail server without TLS;
    secrets: the folder of the files that the configuration names; template: where vedette.tmpl is. Absolute paths.
    exporter: address of the exporter that keeps the history; without it, that goes to the HTTP server too.
    """
    return {
        "https://events.pagerduty.com": http,
        "https://siem.example.com": http,
        "https://deadman.example.com": http,
        "http://localhost:10833": exporter or http,
        "smtp.example.com:587": smtp,
        "smtp_require_tls: true": "smtp_require_tls: false",
        "/etc/alertmanager/secrets": str(secrets),
        "templates/vedette.tmpl": str(template),
    }


def _divided(number: int, unit: str, divisor: float) -> str:
    """In the same unit or the next smaller one that fits; rounded up, so that what lasts never becomes nothing."""
    milliseconds = math.ceil(number * MILLISECONDS[unit] / divisor)
    smaller = list(MILLISECONDS.items())[list(MILLISECONDS).index(unit) :]
    name, size = next((name, size) for name, size in smaller if milliseconds % size == 0)
    return f"{milliseconds // size}{name}"
