"""Configurations that the pages show are taken by the program that they are for."""

import re
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.config import Config
from exporter.config_file import parse
from exporter.demo.stack import FLAVOURS, binaries

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: a container of Kubernetes, and the file that tests/exporter/test_web_config.py reads
OTHERS = {"containers", "tls_server_config"}


def snippets(of: Callable[[object], bool]) -> list[object]:
    """Those of a kind, by what is in them; a text that is no YAML fails here."""
    found = []
    for page in PAGES:
        texts = re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [
            pytest.param(textwrap.dedent(text), id=f"{page.name}-{number}")
            for number, text in enumerate(texts)
            if of(yaml.safe_load(text))
        ]
    return found


def is_ours(data: object) -> bool:
    return isinstance(data, dict) and set(data) <= set(Config.__struct_fields__)


def is_of_prometheus(data: object) -> bool:
    return isinstance(data, dict) and not is_ours(data) and not OTHERS & set(data)


def promtool(flavour: str, *arguments: object) -> str:
    """What it says of a file that it takes."""
    stack = binaries(flavour)
    if stack is None:
        pytest.skip(f"no {flavour} promtool: python3 tools/install_stack.py {flavour}")
    done = subprocess.run([stack.promtool, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("snippet", snippets(is_ours))
def test_the_exporter_takes_its_own(snippet: str) -> None:
    parse(snippet, "page", {"FRAUD_MODEL": "fraud", "SERIES": "2000"})


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("snippet", snippets(is_of_prometheus))
def test_prometheus_takes_what_is_for_it(snippet: str, flavour: str, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(
        re.sub(r"/\S+?/(rules/)?(?=(vedette\.)?\*\.yml)", f"{ROOT}/rules/", snippet)
    )
    for name in re.findall(r"\w+_file: ([\w.-]+)", snippet):
        (tmp_path / name).touch()
    said = promtool(flavour, "check", "config", "--syntax-only", tmp_path / "prometheus.yml")
    assert "SUCCESS" in said


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("snippet", snippets(lambda data: isinstance(data, list)))
def test_a_rule_that_is_shown_is_one(snippet: str, flavour: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups:\n- name: page\n  rules:\n" + textwrap.indent(snippet, "  "))
    assert "SUCCESS" in promtool(flavour, "check", "rules", tmp_path / "rules.yml")
