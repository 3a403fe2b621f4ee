"""Names of records and of processes."""

import os
import platform
import subprocess
import sys

from tests.exporter.conftest import ROOT
from vedette_client.identity import Identity, process_name


def test_no_two_records_of_two_clients_have_one_name() -> None:
    first, second = Identity(), Identity()
    assert len({first(), first(), second(), second()}) == 4


def test_every_process_of_a_host_has_a_name_of_its_own() -> None:
    program = "from vedette_client.identity import process_name; print(process_name())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    other = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True).stdout
    assert process_name() == f"{platform.node()}/{os.getpid()}"
    assert other.split("/")[0] == platform.node()
    assert other.strip() != process_name()
