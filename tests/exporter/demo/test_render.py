"""What the demo and the tests run is what is shipped, with other durations, addresses and paths, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.demo.render import DURATION, render_alertmanager, render_rules, to_sinks

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "rules").glob("*.yml"))
CONFIG = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
SINKS = to_sinks("http://127.0.0.1:9000", "127.0.0.1:2525", Path("/run/secrets"), Path("/run/vedette.tmpl"))
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> list[float]:
    """All durations that stand in the text, in order."""
    return [int(number) * UNITS[unit] for number, unit in DURATION.findall(text)]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, f"{path}[{index}]")
    else:
        yield path, value


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_only_the_durations_of_the_rules_are_divided(path: Path) -> None:
    text = path.read_text()
    rendered = render_rules(text, 60)
    assert DURATION.sub("…", rendered) == DURATION.sub("…", text)
    assert seconds(rendered) == pytest.approx([one / 60 for one in seconds(text)])


def test_there_are_durations_to_divide() -> None:
    assert {"5m", "1h", "2m", "10m", "15m", "1d"} <= set(
        re.findall(r"\b\d+[smhd]\b", "".join(p.read_text() for p in RULES))
    )


def test_names_of_recorded_series_are_left_alone() -> None:
    text = "job:vedette_queries:rate5m > rate(x[5m]) # over 5m, not 90 % or 429"
    assert render_rules(text, 60) == "job:vedette_queries:rate5m > rate(x[5s]) # over 5s, not 90 % or 429"


@pytest.mark.parametrize(("duration", "divisor", "divided"), [
    ("1h", 60, "1m"), ("5m", 300, "1s"), ("30s", 60, "500ms"), ("0s", 60, "0s"), ("1s", 3000, "1ms"), ("90s", 1, "90s"),
])  # fmt: skip
def test_a_duration_keeps_its_length_to_the_millisecond(duration: str, divisor: float, divided: str) -> None:
    assert render_rules(duration, divisor) == divided


def test_only_group_wait_addresses_and_paths_of_the_alertmanager_configuration_change() -> None:
    before = dict(leaves(yaml.safe_load(CONFIG)))
    after = dict(leaves(yaml.safe_load(render_alertmanager(CONFIG, SINKS, group_wait="2s"))))
    assert list(after) == list(before)
    changed = {path for path in before if before[path] != after[path]}
    assert {path for path in changed if not path.startswith(".receivers")} == {
        ".global.smtp_smarthost",
        ".global.smtp_auth_password_file",
        ".global.smtp_require_tls",
        ".global.pagerduty_url",
        ".templates[0]",
        ".route.group_wait",
    }
    assert after[".route.group_wait"] == "2s"
    kinds = {re.sub(r".*\.", "", path) for path in changed if path.startswith(".receivers")}
    assert kinds == {"routing_key_file", "api_url_file", "url", "credentials_file"}


def test_with_a_divisor_every_duration_of_the_routes_is_divided() -> None:
    rendered = render_alertmanager(CONFIG, {}, divisor=60)
    assert DURATION.sub("…", rendered) == DURATION.sub("…", CONFIG)
    assert seconds(rendered) == pytest.approx([one / 60 for one in seconds(CONFIG)])


def test_nothing_is_sent_anywhere_but_to_the_sinks() -> None:
    rendered = render_alertmanager(CONFIG, SINKS)
    values = [str(value) for path, value in leaves(yaml.safe_load(rendered)) if path.endswith(("url", "smarthost"))]
    assert values
    assert all("127.0.0.1" in value for value in values if not value.startswith("{{"))


def test_a_replacement_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'smtp\.elsewhere\.test' does not stand in the Alertmanager configuration"):
        render_alertmanager(CONFIG, {"smtp.elsewhere.test": "127.0.0.1:25"})
