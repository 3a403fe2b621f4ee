#!/usr/bin/env python3
"""Bring Prometheus and Alertmanager into .cache/stack, without root, and without installing or starting anything.

Two flavours: `stable` is what Debian 12 carries (Prometheus 2.42, Alertmanager 0.25), `newer` what a newer suite
carries (3.5 and 0.33). apt runs with lists, cache and sources of its own; the sources are those of this machine with
the suite replaced. Without apt, programs on the PATH serve as `stable`. What is there already is left alone.

Laid out for exporter/demo/stack.py: <flavour>/bin/{prometheus,promtool,alertmanager,amtool}.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "stack"
#: suites to try, in order, and the packages to take from them; Debian 12's prometheus package holds promtool itself
SUITES = {"stable": ("bookworm",), "newer": ("forky", "sid", "trixie")}
PACKAGES = {
    "stable": ("prometheus", "prometheus-alertmanager"),
    "newer": ("prometheus", "promtool", "prometheus-alertmanager"),
}
#: name in our layout -> names of Debian's packages and of upstream's archives
PROGRAMS = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "amtool": ("amtool",),
}
#: Debian's servers read their templates and pages below this path and refuse to start without them. An unpacked copy is
#: given a relative path of the same length instead, and starts in the folder that it was unpacked into.
SHARED, UNPACKED = b"/usr/share/prometheus/", b"usr/share/prometheus//"
START = """#!/bin/sh
cd '{home}' && exec {program} "$@"
"""
ADVICE = "install Prometheus and Alertmanager (with promtool and amtool) and put them on the PATH"

Stanza = dict[str, str]


class NotToBeHad(Exception):
    """The programs cannot be brought here; the text says why."""


def main(flavours: list[str]) -> int:
    """Bring the flavours in; 1 when `stable`, without which nothing can be shown, is not to be had."""
    missing = [flavour for flavour in flavours or list(SUITES) if not bring(flavour)]
    return int("stable" in missing)


def bring(flavour: str) -> bool:
    """Lay out one flavour, unless it is there; say in one line what came of it."""
    home = CACHE / flavour
    if all((home / "bin" / program).exists() for program in PROGRAMS):
        print(f"{flavour}: already in {home}")
        return True
    try:
        lay_out(home, folders(flavour, home))
    except NotToBeHad as error:
        advice = f"; {ADVICE}" if flavour == "stable" else "; tests against it will be skipped"
        print(f"{flavour}: NOT AVAILABLE: {error}{advice}", file=sys.stderr)
        return False
    print(f"{flavour}: {home}")
    return True


def folders(flavour: str, home: Path) -> list[Path]:
    """Where to look for the programs: Debian's packages, or the PATH of a machine without apt."""
    if shutil.which("apt-get") and shutil.which("dpkg"):
        return fetch(flavour, home)
    if flavour == "stable":
        return [Path(folder) for folder in os.get_exec_path()]
    raise NotToBeHad("this machine has no apt")


def fetch(flavour: str, home: Path) -> list[Path]:
    """Download and unpack the packages of the first suite that has them; returns the folder of their programs."""
    reason = "no Debian archive in /etc/apt"
    home.mkdir(parents=True, exist_ok=True)
    for suite in SUITES[flavour]:
        stanzas = [stanza | {"Suites": suite} for stanza in archives()]
        if not stanzas:
            break
        with tempfile.TemporaryDirectory() as folder:
            try:
                for package in download(PACKAGES[flavour], stanzas, Path(folder)):
                    run("dpkg", "-x", package, home)
                return [home / "usr" / "bin"]
            except subprocess.CalledProcessError as error:
                reason = f"{suite}: {last_line(error.stderr)}"
    raise NotToBeHad(reason)


def archives(etc: Path = Path("/etc/apt")) -> list[Stanza]:
    """This machine's entries for the Debian archive proper (not security, updates or other people's), main only."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    stanzas = [entry for path in sorted(etc.glob("sources.list.d/*.sources")) for entry in stanzas_of(path.read_text())]
    for path in [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]:
        stanzas += lines_of(path.read_text()) if path.exists() else []
    own = {codename[1], "stable"} if codename else {"stable"}
    return [
        {**stanza, "Types": "deb", "Components": "main"}
        for stanza in stanzas
        if "deb" in stanza["Types"].split() and own & set(stanza["Suites"].split())
        if "main" in stanza.get("Components", "").split() and stanza.get("Enabled", "yes") == "yes"
    ]


def stanzas_of(text: str) -> list[Stanza]:
    """The entries of a deb822 .sources file; a value keeps its continuation lines (a key can be written out there)."""
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    fields = [re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", block, re.MULTILINE) for block in blocks]
    return [stanza for stanza in map(dict, fields) if {"Types", "URIs", "Suites"} <= set(stanza)]


def lines_of(text: str) -> list[Stanza]:
    """The entries of a one-line-style .list file."""
    names = {"signed-by": "Signed-By", "arch": "Architectures", "trusted": "Trusted"}
    entries = re.findall(r"^deb[ \t]+(?:\[(.*?)\][ \t]+)?(\S+)[ \t]+(\S+)[ \t]+(.+)$", text, re.MULTILINE)
    return [
        {"Types": "deb", "URIs": uri, "Suites": suite, "Components": components}
        | {names[key]: value for key, value in re.findall(r"([\w-]+)=(\S+)", options) if key in names}
        for options, uri, suite, components in entries
    ]


def download(packages: tuple[str, ...], stanzas: list[Stanza], folder: Path) -> list[Path]:
    """The .deb files of the packages. Nothing of the machine's own apt state is read or written."""
    for part in ("sources", "lists/partial", "cache/archives/partial", "debs"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    text = "\n".join("".join(f"{key}: {value}\n" for key, value in stanza.items()) for stanza in stanzas)
    (folder / "sources" / "stack.sources").write_text(text)
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": folder / "sources",
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",  # the unprivileged user of apt cannot write here
        "Acquire::Languages": "none",
    }
    options = [f"-o{key}={value}" for key, value in settings.items()]
    run("apt-get", *options, "--error-on=any", "update")
    run("apt-get", *options, "download", *packages, cwd=folder / "debs")
    return sorted((folder / "debs").glob("*.deb"))


def lay_out(home: Path, sources: list[Path]) -> None:
    """Put the programs that are found in these folders under our names."""
    found = {program: first_of(names, sources) for program, names in PROGRAMS.items()}
    missing = [program for program, path in found.items() if path is None]
    if missing:
        raise NotToBeHad(f"no {', '.join(missing)}")
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for program, path in found.items():
        link = home / "bin" / program
        link.unlink(missing_ok=True)
        if home in path.parents and SHARED in path.read_bytes():
            relocate(path, home, link)
        else:
            link.symlink_to(path)


def relocate(program: Path, home: Path, script: Path) -> None:
    """Make an unpacked server read its templates and pages from where it was unpacked."""
    program.write_bytes(program.read_bytes().replace(SHARED, UNPACKED))
    script.write_text(START.format(home=home, program=program.relative_to(home)))
    script.chmod(0o755)


def first_of(names: tuple[str, ...], sources: list[Path]) -> Path | None:
    """The first program of one of these names in one of these folders."""
    return next((folder / name for folder in sources for name in names if (folder / name).exists()), None)


def run(*command: object, cwd: Path | None = None) -> None:
    """Run a program to its end. Raises CalledProcessError, with what it said, when it fails."""
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, capture_output=True, text=True)


def last_line(text: str) -> str:
    """What a program said last, which is mostly why it failed."""
    return (text.strip().splitlines() or ["no message"])[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
