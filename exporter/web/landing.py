"""The landing page: where everything is."""

from html import escape

from exporter.version import VERSION
from exporter.web.page import page

_LINKS = (
    ("/clients", "Clients"),
    ("/docs", "HTTP interface"),
    ("/-/healthy", "Health"),
    ("/-/ready", "Readiness"),
)

_EXAMPLE = """curl -X POST http://localhost:10833/api/v1/queries \\
  -d '{"model": "demo", "client": "me",
       "input": "hello", "output": [0.9, 0.1]}'"""


def landing_page(telemetry_path: str) -> str:
    """The page as HTML."""
    links = ((telemetry_path, "Metrics"), *_LINKS)
    items = "".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in links)
    return page(
        "Vedette",
        f'<h1>Vedette</h1><p class="about">version {escape(VERSION)}</p>'
        "<p>Judges the queries that reach machine-learning models, and speaks Prometheus.</p>"
        f"<ul>{items}</ul><p>Push a query:</p><pre>{escape(_EXAMPLE)}</pre>",
    )
