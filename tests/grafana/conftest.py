"""The committed dashboards."""

import json
from pathlib import Path

import pytest

DASHBOARDS = sorted((Path(__file__).parents[2] / "grafana" / "dashboards").glob("*.json"))


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request):
    """Each dashboard in turn."""
    return json.loads(request.param.read_text())
