"""The examples of the library's page run as they stand."""

import re
from pathlib import Path

import pytest

from detectors import registry

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_runs(example, monkeypatch):
    monkeypatch.setattr(registry, "DETECTORS", dict(registry.DETECTORS))
    exec(example, {"__name__": "example"})


def test_there_are_examples():
    assert len(EXAMPLES) >= 2
