"""Every command that a page shows is one that the program takes, and every command and flag of it is in the tables."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.__main__ import _parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
#: spoken of, not to be typed
NAMED_ONLY = {"serve --help", "keys create", "client show", "replay --warm-up", "backtest --plot"}
#: of every command, said above the table
COMMON = {"-h", "--help", "--config", "--config.file"}


def shown(page: Path) -> Iterator[str]:
    """What is to be typed behind `vedette`: in blocks of code, and within the text, where it may be wrapped."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    lines = re.findall(r"^\s*(?:\$ )?vedette ([a-z].*)", text, re.MULTILINE)
    for found in [*lines, *re.findall(r"(?<!`)`vedette ([a-z][^`]*)`", text)]:
        yield " ".join(re.split(r"\s#\s|\s[|>&]|\s<\s|…", found)[0].split())


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command, or action of one, with its name."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for one, inner in below[0].choices.items() if below else ():
        yield from parsers(inner, f"{name} {one}".strip())


COMMANDS = [
    pytest.param(command, id=f"{page.stem}: {command}")
    for page in PAGES
    for command in dict.fromkeys(shown(page))
    if command not in NAMED_ONLY
]
FLAGS = {name: set(parser._option_string_actions) - COMMON for name, parser in parsers(_parser())}


def flags(text: str) -> set[str]:
    return set(re.findall(r"`(--[\w.-]+)`", text))


def table() -> dict[str, set[str]]:
    """The flags that the page gives each command, which stands there with what it takes."""
    section = OPERATIONS.split("## The commands")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[a-z].*?) \| (.*?) \|", section.split("|---|---|---|")[1], re.MULTILINE)
    names = {name: named for commands, named in rows for name in re.findall(r"`([a-z -]+?)(?: [A-Z][^`]*)?`", commands)}
    return {name: flags(named) for name, named in names.items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_shown_can_be_typed(command: str) -> None:
    assert _parser().parse_args(shlex.split(command)).run


def test_commands_are_found_in_lines_and_in_blocks() -> None:
    assert {"serve", "client list --level alarm", "keys revoke ID"} <= {command.values[0] for command in COMMANDS}


def test_the_flags_of_the_commands_are_those_of_the_table() -> None:
    assert table() == FLAGS | {"serve": set()}


def test_the_flags_of_serve_are_those_of_its_table() -> None:
    rows = re.findall(r"^\| (`--.*?) \|", OPERATIONS.split("## Starting")[1].split("\n## ")[0], re.MULTILINE)
    assert flags("".join(rows)) - COMMON == FLAGS["serve"]
