"""The release check: the list is that of an environment, and what was not looked up is never called good."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from tools.release_check import holes, loose, pins, unknown, write_list

REPORT = {
    "dependencies": [
        {"name": "good", "version": "1.0", "vulns": []},
        {
            "name": "bad",
            "version": "2.0",
            "vulns": [{"id": "CVE-1", "fix_versions": ["2.1", "3.0"]}, {"id": "CVE-2", "fix_versions": []}],
        },
        {"name": "odd", "skip_reason": "not found"},
    ]
}


def test_pins_are_read_whatever_way_a_name_is_written() -> None:
    assert pins(["# a comment", "A_b.c==1.0", "", "d==2"]) == {"a-b-c": "1.0", "d": "2"}


def test_known_holes_are_named_with_what_mends_them() -> None:
    assert holes(REPORT) == ["bad 2.0: CVE-1, mended in 2.1, 3.0", "bad 2.0: CVE-2, mended in nothing"]


def test_what_was_skipped_is_not_checked() -> None:
    assert unknown(REPORT) == ["odd"]
    assert unknown({"dependencies": REPORT["dependencies"][:2]}) == []


def test_what_is_not_as_pinned_is_said() -> None:
    assert loose({"a": "1", "b": "2", "c": "3", "vedette": "9"}, {"a": "1", "b": "1"}) == [
        "b 2: constraints.txt says 1",
        "c 3: constraints.txt says nothing",
    ]


def test_the_list_names_what_is_in_an_environment(tmp_path: Path) -> None:
    found = write_list(Path(sys.executable), tmp_path / "dist" / "list.json")
    assert found["msgspec"] == version("msgspec")
    written = json.loads((tmp_path / "dist" / "list.json").read_text())
    assert written["bomFormat"] == "CycloneDX"
    assert written["metadata"]["component"]["name"] == "vedette"
