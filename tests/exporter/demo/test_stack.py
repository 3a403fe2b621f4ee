from pathlib import Path

from exporter.demo.stack import PROGRAMS, binaries


def test_a_flavour_with_a_program_missing_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "stable" / "bin").mkdir(parents=True)
    for program in PROGRAMS[:-1]:
        (tmp_path / "stable" / "bin" / program).touch()
    assert binaries("stable", tmp_path) is None
    (tmp_path / "stable" / "bin" / PROGRAMS[-1]).touch()
    found = binaries("stable", tmp_path)
    assert found is not None
    assert found.amtool == tmp_path / "stable" / "bin" / "amtool"


def test_a_program_says_its_version(tmp_path: Path) -> None:
    (tmp_path / "stable" / "bin").mkdir(parents=True)
    for program in PROGRAMS:
        path = tmp_path / "stable" / "bin" / program
        path.write_text(f"#!/bin/sh\necho '{program}, version 2.42.0 (branch: x)'\n")
        path.chmod(0o755)
    found = binaries("stable", tmp_path)
    assert found is not None
    assert found.version("prometheus") == "prometheus, version 2.42.0"
