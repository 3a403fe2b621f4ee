"""Where the installer looks, and what it says when it finds nothing."""

from pathlib import Path

import pytest

from tools import install_stack

DEB822 = """\
# the archive
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main
"""


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without apt and without Prometheus; returns the folder that its PATH names."""
    monkeypatch.setattr(install_stack, "CACHE", tmp_path / "cache")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_only_the_entry_of_the_archive_proper_is_taken_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822.replace("bookworm", "stable"))
    (tmp_path / "sources.list.d" / "others.list").write_text("deb [arch=amd64] http://others.test stable contrib\n")
    (only,) = install_stack.archives(tmp_path)
    assert (only["URIs"], only["Components"], only["Types"]) == ("http://mirror.test/debian", "main", "deb")
    assert only["Signed-By"].endswith("\n abc")


def test_the_old_style_of_entries_is_read_too() -> None:
    entry = "deb [signed-by=/k.gpg arch=amd64] http://mirror.test/debian bookworm main contrib"
    assert install_stack.lines_of(f"# deb http://x.test old main\n{entry}\n") == [
        {
            "Types": "deb",
            "URIs": "http://mirror.test/debian",
            "Suites": "bookworm",
            "Components": "main contrib",
            "Signed-By": "/k.gpg",
            "Architectures": "amd64",
        }
    ]


def test_without_apt_and_without_programs_one_line_says_what_to_install(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install_stack.main(["stable"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "stable: NOT AVAILABLE: no prometheus, promtool, alertmanager, amtool; "
        "install Prometheus and Alertmanager (with promtool and amtool) and put them on the PATH"
    )


def test_the_newer_flavour_may_be_missing(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install_stack.main(["newer"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "newer: NOT AVAILABLE: this machine has no apt; tests against it will be skipped"


def test_programs_on_the_path_serve_as_stable_and_are_left_alone_the_next_time(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("prometheus", "promtool", "alertmanager", "amtool"):
        (nowhere / name).touch()
    assert install_stack.main(["stable"]) == 0
    assert (install_stack.CACHE / "stable" / "bin" / "alertmanager").resolve() == nowhere / "alertmanager"
    assert install_stack.main(["stable"]) == 0
    assert "already in" in capsys.readouterr().out
