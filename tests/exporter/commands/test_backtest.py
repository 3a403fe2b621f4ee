"""`vedette backtest`."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporter.__main__ import main
from exporter.commands.backtest import LONG, show_progress

Call = Callable[..., tuple[int, str, str]]
HEADING = ["timestamp", "value", "anomaly_score", "expected", "lower", "upper", "incident_score"]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `vedette backtest …`: exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(("backtest", *arguments))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def series(values: np.ndarray) -> str:
    """One point each five minutes."""
    stamps = np.datetime64("2026-03-01T00:00:00") + np.arange(len(values)) * np.timedelta64(300, "s")
    lines = [f"{str(stamp).replace('T', ' ')},{value}" for stamp, value in zip(stamps, values, strict=True)]
    return "\n".join(["timestamp,value", *lines, ""])


def noise(points: int) -> np.ndarray:
    return np.random.default_rng(7).normal(50, 2, points).round(3)


def rows(out: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out)))


@pytest.mark.parametrize(("points", "warm_up"), [(10, 1), (1000, 150), (6000, 750)])
def test_there_is_a_row_for_each_point_and_a_score_behind_the_warm_up(
    call: Call, tmp_path: Path, points: int, warm_up: int
) -> None:
    file = tmp_path / "cpu.csv"
    file.write_text(series(noise(points)))
    code, out, err = call(str(file))
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split(",") == HEADING
    assert len(rows(out)) == points
    assert [bool(row["anomaly_score"]) for row in rows(out)] == [i >= warm_up for i in range(points)]
    for row in rows(out)[warm_up:]:
        assert float(row["lower"]) <= float(row["expected"]) <= float(row["upper"])
        assert 0 <= float(row["incident_score"]) <= float(row["anomaly_score"])


def test_a_row_depends_on_the_points_up_to_it_alone(call: Call, tmp_path: Path) -> None:
    values = noise(3000)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(series(values))
    values[2000:] = 1000 - values[2000:]
    second.write_text(series(values))
    before, after = (call(str(file))[1].splitlines() for file in (first, second))
    assert before[:2001] == after[:2001]
    assert before[2001:] != after[2001:]


def test_a_point_without_a_value_has_no_score_and_disturbs_no_other(call: Call, tmp_path: Path) -> None:
    lines = series(noise(1000)).splitlines()
    lines[901] = lines[901].split(",")[0] + ","
    file = tmp_path / "cpu.csv"
    file.write_text("\n".join(lines))
    code, out, _ = call(str(file))
    assert code == 0
    assert [i for i, row in enumerate(rows(out)) if i >= 150 and not row["anomaly_score"]] == [900]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ":1: expected the heading timestamp,value, got ''"),
        ("time,cpu\n", ":1: expected the heading timestamp,value, got 'time,cpu'"),
        ("timestamp,value\n", ": expected points below the heading, got none"),
        ("timestamp,value\n2026-01-01 00:00:00\n", ":2: expected timestamp,value, got '2026-01-01 00:00:00'"),
        ("timestamp,value\n2026-01-01 00:00:00,5\n\nyesterday,5\n", ":4: expected a time such as"),
        ("timestamp,value\n2026-01-01 00:00:00,high\n", ":2: expected a number, got 'high'"),
        ("timestamp,value\n2026-01-01 00:00:00,inf\n", ":2: expected a number, got 'inf'"),
        ("timestamp,value\n1760000000000,5\n", ":2: expected a time from 1970 to 9999 (in seconds, not milliseconds)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_file_and_line(
    call: Call, tmp_path: Path, text: str, error: str
) -> None:
    file = tmp_path / "cpu.csv"
    file.write_text(text)
    code, out, err = call(str(file))
    assert (code, out) == (1, "")
    assert err.startswith(f"{file}{error}")
    assert len(err.splitlines()) == 1


def test_a_file_that_is_not_there_is_named(call: Call, tmp_path: Path) -> None:
    assert call(str(tmp_path / "none.csv")) == (
        1,
        "",
        f"{tmp_path}/none.csv: cannot be read: No such file or directory\n",
    )


def test_a_picture_is_drawn(call: Call, tmp_path: Path) -> None:
    values = noise(1000)
    values[900:905] = 500
    file, picture = tmp_path / "cpu.csv", tmp_path / "out.png"
    file.write_text(series(values))
    assert call(str(file), "--plot", str(picture))[0] == 0
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    for colour in ((0x1F, 0x4E, 0x79), (0x9E, 0xC5, 0xE8), (0xC6, 0x28, 0x28)):
        assert (pixels == colour).all(axis=1).sum() > 20


@pytest.mark.parametrize(
    ("values", "target", "error"),
    [
        ([5.0] * 20, "none/out.png", "none/out.png: cannot be written: No such file or directory"),
        ([""] * 20, "out.png", "out.png: no point was judged, so there is nothing to draw"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_an_error_in_one_line(
    call: Call, tmp_path: Path, values: list[float], target: str, error: str
) -> None:
    file = tmp_path / "cpu.csv"
    file.write_text(series(np.array(values)))
    code, out, err = call(str(file), "--plot", str(tmp_path / target))
    assert (code, err) == (1, f"vedette: {tmp_path}/{error}\n")
    assert len(rows(out)) == 20


def test_a_bar_shows_how_far_it_is_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    show_progress(10_000, LONG)
    assert shown.getvalue() == ""
    monkeypatch.setattr(shown, "isatty", lambda: True)
    show_progress(10, LONG - 1)
    assert shown.getvalue() == ""
    show_progress(LONG // 2, LONG)
    show_progress(LONG, LONG)
    half, whole = shown.getvalue().split("\r")[1:]
    assert half == "#" * 20 + "." * 20 + " 10,000 of 20,000 points"
    assert whole == "#" * 40 + " 20,000 of 20,000 points\n"


def test_the_configuration_says_how_it_is_judged(call: Call, tmp_path: Path) -> None:
    values = noise(1000)
    values[900] = 0
    file, config = tmp_path / "cpu.csv", tmp_path / "vedette.yml"
    file.write_text(series(values))
    config.write_text("anomalies: {direction: up}")
    assert float(rows(call(str(file))[1])[900]["anomaly_score"]) > 1
    assert float(rows(call("--config", str(config), str(file))[1])[900]["anomaly_score"]) == 0


def test_a_query_that_cannot_be_learned_keeps_no_file_from_being_judged(call: Call, tmp_path: Path) -> None:
    file, config = tmp_path / "cpu.csv", tmp_path / "vedette.yml"
    file.write_text(series(noise(20)))
    queries = "[{name: broken, expr: 'load + ('}]"
    config.write_text(f"anomalies: {{prometheus: {{url: 'http://127.0.0.1:9'}}, queries: {queries}}}")
    code, out, err = call("--config", str(config), str(file))
    assert (code, len(rows(out)), err) == (0, 20, "")


def test_a_picture_without_a_name_is_an_error(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "cpu.csv"
    file.write_text(series(noise(20)))
    code, _, err = call(str(file), "--plot", "")
    assert (code, err) == (1, "vedette: : cannot be written: No such file or directory\n")


def test_seconds_since_1970_are_times_too(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "cpu.csv"
    file.write_text("timestamp,value\n" + "".join(f"{1760000000 + 60 * i},{i % 7}\n" for i in range(100)))
    code, out, _ = call(str(file))
    assert code == 0
    assert rows(out)[0]["timestamp"] == "1760000000"
