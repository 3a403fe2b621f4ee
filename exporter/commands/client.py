"""`vedette client list | show | dismiss`: asks a running exporter who is suspicious, and why."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from exporter.commands import Failure
from exporter.commands.check import read_config
from exporter.commands.reaching import reaching
from exporter.config import Config
from exporter.pseudonyms import written_down

#: how a key is blocked at a gateway; the words in capitals are for the reader to fill in
BLOCK = (
    """LiteLLM: curl -X POST $GATEWAY/key/block -H "Authorization: Bearer $MASTER_KEY" -d '{{"key": "{client}"}}'""",
    "nginx:   echo 'deny ADDRESS;' >> /etc/nginx/blocked.conf && nginx -s reload",
)
#: of a table's cell
MOST_CHARACTERS = 60


def show_all(options: argparse.Namespace) -> None:
    """Print the clients of at least a level. Raises Failure."""
    answer = _ask(options, "GET", "/api/v1/clients", {"model": options.model, "level": options.level, "limit": 1000})
    rows = [("MODEL", "CLIENT", "LEVEL", "SUSPICION", "EVIDENCE", "QUERIES", "LAST SEEN")]
    rows += [
        (
            one["model"],
            one["client"],
            one["level"],
            f"{one['suspicion']:.2f}",
            _families(one["families"]),
            str(one["queries"]),
            _time(one["last"]),
        )
        for one in answer["clients"]
    ]
    _print_table(rows)
    if answer["total"] > len(answer["clients"]):
        print(f"and {answer['total'] - len(answer['clients'])} more")


def show(options: argparse.Namespace) -> None:
    """Print one client with the evidence on it, and how to block it. Raises Failure."""
    answer = _ask(options, "GET", f"/api/v1/clients/{quote(options.client, safe='')}", {"model": options.model})
    known = _known(read_config(options.config_file), options.client)
    if known is not None:
        print(f"gateway's  {known}")
    for place, one in enumerate(answer["models"]):
        if place:
            print()
        _print_client(one)
    print("\nTo block its key at the gateway:")
    for line in BLOCK:
        print("  " + line.format(client=known or options.client))


def _known(config: Config, client: str) -> str | None:
    """What a pseudonym stands for: only who can read the state folder learns it."""
    if config.access.pseudonym_secret_file is None:
        return None
    folder = Path(config.storage.path)
    try:
        return written_down(folder).get(client)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}: the gateway's name of the client stays unknown", file=sys.stderr)
        return None


def dismiss(options: argparse.Namespace) -> None:
    """Take back a false alarm. Raises Failure."""
    path = f"/api/v1/clients/{quote(options.client, safe='')}/dismiss"
    answer = _ask(options, "POST", path, {"model": options.model})
    for model, families in answer["dismissed"].items():
        print(
            f"{model}: {'dismissed, which was in alarm by ' + ', '.join(families) if families else 'was in no alarm'}"
        )


def _print_client(one: dict[str, Any]) -> None:
    print(f"client     {one['client']}")
    print(f"model      {one['model']}")
    print(f"level      {one['level']}   (evidence in parts of what raises an alarm: {one['suspicion']:.2f})")
    print(f"families   {_families(one['families']) or 'none'}")
    print(f"queries    {one['queries']} from {_time(one['first'])} to {_time(one['last'])}")
    print(f"volume     more than {one['volume']:.0%} of the model's other clients")
    print(f"coverage   its answers had {one['coverage']:.0%} of the model's classes")
    if one["clusters"]:
        print(f"clusters   {', '.join(map(str, one['clusters']))}")
    if one["examples"]:
        print("evidence")
        rows = [(_time(seen["time"]), seen["id"] or "-", "; ".join(seen["reasons"])) for seen in one["examples"]]
        _print_table([("  TIME", "QUERY", "WHAT"), *(("  " + time, *rest) for time, *rest in rows)], cut=False)


def _families(families: dict[str, float]) -> str:
    found = sorted(((ratio, name) for name, ratio in families.items() if ratio >= 0.01), reverse=True)
    return ", ".join(f"{name} {ratio:.2f}" for ratio, name in found)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}" if seconds else "never"


def _print_table(rows: Sequence[Sequence[str]], cut: bool = True) -> None:
    shown = [[cell[:MOST_CHARACTERS] if cut else cell for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _ask(options: argparse.Namespace, method: str, path: str, parameters: dict[str, Any]) -> Any:
    """The answer as plain values. Raises Failure."""
    headers = {"Authorization": f"Bearer {_key(options.key_file)}"} if options.key_file else {}
    url = options.url.rstrip("/")
    with reaching(url, "exporter", "http://localhost:10833"):
        answer = requests.request(method, url + path, params=parameters, headers=headers, timeout=30)
    try:
        content = answer.json()
    except requests.exceptions.JSONDecodeError:
        raise Failure(f"{url}: this is no Vedette: it answered {answer.status_code} without JSON") from None
    if answer.status_code != 200:
        raise Failure(f"{url}: {content.get('detail', answer.status_code)}")
    return content


def _key(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise Failure(f"--key-file: {path}: {error.strerror}") from None
