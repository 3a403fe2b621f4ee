"""Every metric that the rules, the pages and the README speak of is exposed by the program."""

import re
from pathlib import Path

import pytest

from exporter.metrics.families import FAMILIES, PREFIX

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "rules").glob("*.yml"))]
PARTS = {"histogram": ("", "_bucket", "_sum", "_count")}
EXPOSED = {PREFIX + family.name + part for family in FAMILIES for part in PARTS.get(family.type, ("",))}

#: what senders name themselves
CUSTOM = "vedette_custom_"


def named(text: str) -> set[str]:
    """Names of metrics in a text; a recording rule's name has a colon before or behind it."""
    return set(re.findall(rf"(?<![\w:/.-]){PREFIX}[a-z_]+(?![\w:/.-])", text))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_names_only_metrics_that_are_exposed(path):
    left = {name for name in named(path.read_text()) - EXPOSED if not name.startswith(CUSTOM)}
    assert left - {"vedette_client"} == set()  # a package


def test_metrics_are_found_in_the_rules():
    assert named((ROOT / "rules" / "vedette.self.yml").read_text())


def test_every_metric_has_its_place_on_the_page():
    page = named((ROOT / "docs" / "metrics.md").read_text())
    assert {PREFIX + family.name for family in FAMILIES} <= page
