"""Where the programs of the real stack are: Prometheus, Alertmanager and their tools.

`tools/install_stack.py` lays them out: `.cache/stack/<flavour>/bin/` holds the four programs under the names below. The
servers may change their folder when they start: give them absolute paths.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

FLAVOURS = ("stable", "newer")
PROGRAMS = ("prometheus", "promtool", "alertmanager", "amtool")
CACHE = Path(__file__).parents[2] / ".cache" / "stack"


@dataclass(frozen=True)
class Stack:
    """The programs of one flavour."""

    flavour: str
    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path

    def version(self, program: str) -> str:
        """What the program says of itself, such as "prometheus, version 2.42.0"."""
        done = subprocess.run([getattr(self, program), "--version"], capture_output=True, text=True, check=True)
        return (done.stdout or done.stderr).splitlines()[0].partition(" (")[0]

    def prometheus_command(self, config: Path, storage: Path, address: str) -> list[str]:
        """What starts Prometheus on an address (host:port)."""
        own = [str(self.prometheus), f"--config.file={config}", f"--storage.tsdb.path={storage}"]
        return [*own, f"--web.listen-address={address}", f"--web.external-url=http://{address}"]

    def alertmanager_command(self, config: Path, storage: Path, address: str) -> list[str]:
        """What starts an Alertmanager without gossip on an address (host:port)."""
        own = [str(self.alertmanager), f"--config.file={config}", f"--storage.path={storage}"]
        listen = [f"--web.listen-address={address}", f"--web.external-url=http://{address}"]
        return [*own, *listen, "--cluster.listen-address="]


def binaries(flavour: str, cache: Path = CACHE) -> Stack | None:
    """The programs of a flavour (stable or newer), or None where they are not to be had."""
    home = cache / flavour
    paths = [home / "bin" / program for program in PROGRAMS]
    if not all(path.exists() for path in paths):
        return None
    return Stack(flavour, *paths)
