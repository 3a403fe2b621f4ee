"""The command line."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from exporter import commands
from exporter.__main__ import main
from exporter.commands import healthcheck as health
from exporter.version import VERSION


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"vedette {VERSION}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("serve", "--nonsense"),
        ("serve", "--web.listen-address", "10833"),
        ("serve", "--web.listen-address", "host:"),
        ("serve", "--web.listen-address", "host:99999"),
        ("serve", "--web.listen-address", "host:²"),
        ("serve", "--web.telemetry-path", "metrics"),
        ("serve", "--log.level", "loud"),
        ("serve", "--log.format", "xml"),
        ("demo", "--seconds", "soon"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"vedette[a-z -]*: .*; see vedette[a-z -]* --help\n", err)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        (":9100", ("0.0.0.0", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("[::]:0", ("::", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[argparse.Namespace] = []
    monkeypatch.setattr("exporter.commands.serve.serve", seen.append)
    assert call("serve", "--web.listen-address", text) == 0
    assert seen[0].address == address


def test_a_failure_is_one_line_on_stderr_and_exits_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(options: argparse.Namespace) -> None:
        raise commands.Failure("it did not work")

    monkeypatch.setattr(health, "healthcheck", fail)
    assert call("healthcheck") == 1
    assert capsys.readouterr() == ("", "vedette: it did not work\n")


def test_an_interrupted_command_exits_1_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(options: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(health, "healthcheck", interrupted)
    assert call("healthcheck") == 1
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_goes_away_is_no_error_worth_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run([sys.executable, "-m", "exporter", "check"], stdout=gone, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"")


def test_every_command_takes_a_configuration_under_both_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    [names] = re.findall(r"commands:\n(.*)", capsys.readouterr().out, re.DOTALL)
    found = re.findall(r"^    ([a-z-]+)\s", names, re.MULTILINE)
    assert {"serve", "check", "healthcheck", "test-alert", "demo"} <= set(found)
    for name in found:
        assert call(name, "--help") == 0
        assert "--config FILE, --config.file FILE" in capsys.readouterr().out
