"""The committed dashboards, and a real Prometheus with the samples of dashboard_samples.py in it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from exporter.demo.processes import free_port
from exporter.demo.stack import FLAVOURS, binaries
from tests.grafana import dashboard_samples

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request):
    """Each dashboard in turn."""
    return json.loads(request.param.read_text())


@pytest.fixture(scope="session")
def blocks(tmp_path_factory):
    """The samples as Prometheus' own blocks, so that a test needs no waiting and knows every value."""
    stack = binaries("stable")
    if stack is None:
        pytest.skip("no stable promtool: python3 tools/install_stack.py stable")
    folder = tmp_path_factory.mktemp("samples")
    text = folder / "samples.om"
    text.write_text(dashboard_samples.exposition())
    command = [stack.promtool, "tsdb", "create-blocks-from", "openmetrics", text, folder / "blocks"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "blocks"


@pytest.fixture(scope="session", params=FLAVOURS)
def prometheus(request, blocks, tmp_path_factory):
    """The address of a running Prometheus, the stable Debian's and a newer one where there is one."""
    stack = binaries(request.param)
    if stack is None:
        pytest.skip(f"no {request.param} Prometheus: python3 tools/install_stack.py {request.param}")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("{}")
    shutil.copytree(blocks, folder / "data")
    address = f"127.0.0.1:{free_port()}"
    command = stack.prometheus_command(folder / "prometheus.yml", folder / "data", address)
    command.append("--storage.tsdb.retention.time=100y")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert any("Server is ready" in line for line in process.stderr), "it ended before it was ready"
        yield f"http://{address}"
    finally:
        process.terminate()
        process.communicate()
