"""The landing page: where everything is."""

from html import escape

from exporter.version import VERSION

_LINKS = (
    ("/docs", "HTTP interface"),
    ("/-/healthy", "Health"),
    ("/-/ready", "Readiness"),
)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff }
h1 { font-size: 1.6rem; margin-bottom: 0 } p.version { color: #59636e; margin-top: 0 }
pre { background: #f6f8fa; border: 1px solid #d1d9e0; border-radius: 6px; padding: .8rem; overflow-x: auto }
a { color: #0a5bc4 }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } pre { background: #151b23; border-color: #3d444d }
  a { color: #71b0ff } p.version { color: #9198a1 } }
"""

_EXAMPLE = """curl -X POST http://localhost:10833/api/v1/queries \\
  -d '{"model": "demo", "client": "me",
       "input": "hello", "output": [0.9, 0.1]}'"""


def landing_page(telemetry_path: str) -> str:
    """The page as HTML."""
    links = ((telemetry_path, "Metrics"), *_LINKS)
    items = "".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in links)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vedette</title>'
        '<link rel="icon" href="data:,">'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>Vedette</h1><p class="version">version {escape(VERSION)}</p>'
        "<p>Judges the queries that reach machine-learning models, and speaks Prometheus.</p>"
        f"<ul>{items}</ul><p>Push a query:</p><pre>{escape(_EXAMPLE)}</pre></body></html>"
    )
