"""docs/client.md says what the client does."""

import inspect
import re
from pathlib import Path

import pytest

from vedette_client import Answer, Client, Statistics, Unreachable, monitor

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()
SOURCES = "".join(path.read_text() for path in (ROOT / "client" / "vedette_client").glob("*.py"))
#: not for a table: what every client has, and what is for tests
OTHERS = {"url", "api_key", "transport", "clock", "jitter"}


def table(heading: str) -> list[tuple[str, str]]:
    section = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE)


def test_the_settings_and_their_defaults_are_those_of_the_client() -> None:
    parameters = inspect.signature(Client).parameters.values()
    assert table("Settings") == [(each.name, str(each.default)) for each in parameters if each.name not in OTHERS]


def test_every_number_of_the_statistics_is_named() -> None:
    assert [name for name in Statistics.__dataclass_fields__ if f"`{name}`" not in PAGE] == []


def test_every_reason_for_a_drop_is_one_of_the_code() -> None:
    reasons = [reason for reason, _ in table("What is dropped, and when")]
    assert len(reasons) == 11
    assert [reason for reason in reasons if f'"{reason}"' not in SOURCES] == []


def test_the_code_shown_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(path: str, body: bytes) -> Answer:
        raise Unreachable("nobody listens")

    monkeypatch.setattr("vedette_client.client.Http", lambda *_: unreachable)
    names: dict = {"Client": Client, "monitor": monitor}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block.replace("/var/lib/my-service/vedette", str(tmp_path / "buffer")), names)
    client = names["client"]
    assert client.stats().pushed > 5
    client.close(0.0)
    assert client.stats().dropped.get("internal_error", 0) == 0
