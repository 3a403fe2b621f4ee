"""Pages about clients: the list, and one client with the evidence on it. They are where notifications lead."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from exporter.web.page import page

Plain = Mapping[str, Any]
_COLUMNS = ("Client", "Model", "Level", "Suspicion", "Evidence", "Queries", "Last seen (UTC)")


def clients_page(clients: Sequence[Plain], total: int) -> str:
    """The most suspicious clients of `total`, as `GET /api/v1/clients` gives them."""
    rows = [
        (
            _link(one["client"], one["model"]),
            escape(one["model"]),
            _level(one["level"]),
            f"{one['suspicion']:.2f}",
            escape(_families(one["families"])),
            str(one["queries"]),
            _time(one["last"]),
        )
        for one in clients
    ]
    shown = (
        f"{len(clients)} of {total} clients that were seen, the most suspicious first."
        if total
        else (
            "No client was seen yet: a model's first 200 queries teach what is natural, and queries need a client id."
        )
    )
    return page("Clients: Vedette", f'<h1>Clients</h1><p class="about">{shown}</p>{_table(_COLUMNS, rows)}')


def client_page(client: str, models: Sequence[Plain]) -> str:
    """One client at each model that knows it, as `GET /api/v1/clients/{client}` gives it."""
    parts = "".join(_at_model(one) for one in models)
    about = '<p class="about">a client; <a href="/clients">all of them</a></p>'
    return page(f"{client}: Vedette", f"<h1>{escape(client)}</h1>{about}{parts}")


def _at_model(one: Plain) -> str:
    facts = (
        (
            "Level",
            f"{_level(one['level'])}, at {one['suspicion']:.2f} of what raises an alarm (2 is severe, 4 the most)",
        ),
        ("Evidence by family", escape(_families(one["families"])) or "none"),
        ("Queries", f"{one['queries']}, from {_time(one['first'])} to {_time(one['last'])} (UTC)"),
        ("Volume", f"more than {one['volume']:.0%} of the model's other clients"),
        ("Classes", f"its answers had {one['coverage']:.0%} of the model's classes"),
        ("Clusters in alarm", ", ".join(map(str, one["clusters"])) or "none"),
    )
    about = _table((), [(f"<b>{name}</b>", text) for name, text in facts])
    examples = [
        (_time(seen["time"]), escape(seen["id"] or ""), escape("; ".join(seen["reasons"]))) for seen in one["examples"]
    ]
    evidence = _table(("Time (UTC)", "Query", "What speaks against it"), reversed(examples))
    return f"<h2>At {escape(one['model'])}</h2>{about}" + (f"<h2>Last evidence</h2>{evidence}" if examples else "")


def _link(client: str, model: str) -> str:
    return f'<a href="/clients/{quote(client)}?{urlencode({"model": model})}">{escape(client)}</a>'


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _level(level: str) -> str:
    return f'<span class="{escape(level)}">{escape(level)}</span>'


def _families(families: Mapping[str, float]) -> str:
    found = sorted(((ratio, name) for name, ratio in families.items() if ratio >= 0.01), reverse=True)
    return ", ".join(f"{name} {ratio:.2f}" for ratio, name in found)


def _time(seconds: float) -> str:
    return f'<span class="time">{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}</span>' if seconds else "never"
