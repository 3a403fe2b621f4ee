"""`make release-check`: what is shipped, as a CycloneDX list in dist/, and whether any of it has a known hole.

python -m tools.release_check

What is looked at is a fresh environment of the pinned packages that the service needs, without those for development.
Exit code 0: all was checked and is well. 1: something has a known hole, or is not pinned. 3: something could not be
reached, which is said; the rest was checked.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WORK, DIST = ROOT / ".cache" / "release", ROOT / "dist"
WELL, WRONG, NOT_REACHED = 0, 1, 3


class NotReached(Exception):
    """A service in the network that is needed did not answer."""


def pins(lines: Iterable[str]) -> dict[str, str]:
    """Versions by name of `name==version` lines."""
    found = (line.strip().partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_canonical(name): version for name, _, version in found}


def shipped(folder: Path) -> Path:
    """The Python of a fresh environment with what is shipped in it. Raises NotReached."""
    python = folder / "bin" / "python"
    _run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check")
    done = _run(*pip, "--constraint", str(ROOT / "constraints.txt"), str(ROOT), check=False)
    if done.returncode:
        raise NotReached(f"the package index: {_last_line(done.stderr)}")
    return python


def write_list(python: Path, target: Path) -> dict[str, str]:
    """Write the CycloneDX list of an environment; the versions in it by name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--validate")
    _run(*command, "--pyproject", str(ROOT / "pyproject.toml"), "-o", str(target), str(python))
    components = json.loads(target.read_text())["components"]
    return {_canonical(component["name"]): component["version"] for component in components}


def loose(found: dict[str, str], pinned: dict[str, str]) -> list[str]:
    """What is there in another version than pinned, or not pinned at all."""
    own = {"vedette"}
    return [
        f"{name} {version}: constraints.txt says {pinned.get(name, 'nothing')}"
        for name, version in sorted(found.items())
        if name not in own and pinned.get(name) != version
    ]


def audit(found: dict[str, str]) -> dict[str, Any]:
    """What pip-audit reports on these versions. Raises NotReached."""
    listed = WORK / "shipped.txt"
    listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(found.items()) if name != "vedette"))
    options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    done = _run(sys.executable, "-m", "pip_audit", "--requirement", str(listed), *options, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise NotReached(f"the database of known holes: {_last_line(done.stderr)}") from None
    return report


def holes(report: dict[str, Any]) -> list[str]:
    """The known holes in a report, one a line."""
    return [
        f"{package['name']} {package['version']}: {hole['id']}, mended in "
        + (", ".join(hole["fix_versions"]) or "nothing")
        for package in report["dependencies"]
        for hole in package.get("vulns", ())
    ]


def unknown(report: dict[str, Any]) -> list[str]:
    """The packages that were not looked up: pip-audit calls a report of nothing else good."""
    return [package["name"] for package in report["dependencies"] if "skip_reason" in package]


def check() -> int:
    """Do all of it, say what came of it, and give the exit code."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    target = DIST / f"vedette-{version}.cdx.json"
    try:
        found = write_list(shipped(WORK / "venv"), target)
        print(f"{target.relative_to(ROOT)}: {len(found)} packages are shipped")
        wrong = loose(found, pins((ROOT / "constraints.txt").read_text().splitlines()))
        report = audit(found)
    except NotReached as error:
        print(f"NOT CHECKED, could not be reached: {error}", file=sys.stderr)
        return NOT_REACHED
    wrong += holes(report)
    missing = unknown(report)
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    if missing:
        reason = "the database of known holes has no answer for"
        print(f"NOT CHECKED, {reason} {len(missing)} of {len(found)}: {', '.join(missing)}", file=sys.stderr)
    if wrong:
        return WRONG
    if not missing:
        print(f"no known hole in {len(report['dependencies'])} packages")
    return NOT_REACHED if missing else WELL


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no answer"])[-1]


def _run(*command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check)


if __name__ == "__main__":
    sys.exit(check())
