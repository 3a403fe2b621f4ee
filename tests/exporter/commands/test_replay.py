"""`vedette replay`."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.__main__ import main


def events(count: int, client: str = "user", seed: int = 1, spread: float = 1.0, **fields: Any) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows = random.normal(0, 1, 10) + random.normal(0, spread, (count, 10))
    return [
        {"id": f"{seed}-{n}", "client": client, "timestamp": 1.7e9 + n, "input": row.tolist(), "output": [0.9, 0.1]}
        | fields
        for n, row in enumerate(rows)
    ]


def write(path: Path, lines: list[Any]) -> str:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str, code: int = 0) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["replay", *arguments])
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return err if code else [json.loads(line) for line in out.splitlines()] if "--json" in arguments else out

    return run


@pytest.fixture
def warm(tmp_path: Path) -> str:
    return write(tmp_path / "warm.ndjson", events(250, seed=9))


def test_there_is_one_line_a_query_in_order_whatever_became_of_it(run: Any, tmp_path: Path, warm: str) -> None:
    lines = [*events(30), "no json", {"id": "x"}, *events(40, "attacker", 3, 0.03), {"input": [1, 2], "output": [7, 9]}]
    found = run("--warm-up", warm, "--json", write(tmp_path / "log.ndjson", lines))
    assert [one["id"] for one in found[:30]] == [f"1-{n}" for n in range(30)]
    assert [one["level"] for one in found[30:32]] == ["rejected", "rejected"]
    assert found[31] == {
        "id": None,
        "client": None,
        "level": "rejected",
        "flags": [],
        "reasons": ["expected a field `input` (a text, a list, a mapping of features or an image)"],
    }
    assert found[71]["level"] == "severe"
    assert "cluster" in found[71]["flags"]
    assert found[72]["level"] == "rejected"
    assert len(found) == 73


def test_without_a_warm_up_the_first_queries_are_it(run: Any, tmp_path: Path) -> None:
    found = run("--json", write(tmp_path / "log.ndjson", events(210)))
    assert [one["level"] for one in found] == ["warming_up"] * 200 + ["ok"] * 10


def test_a_warm_up_ends_with_its_file_and_is_of_its_model_alone(run: Any, tmp_path: Path, warm: str) -> None:
    log = write(tmp_path / "log.ndjson", events(3) + events(3, model="other-one"))
    assert [one["level"] for one in run("--warm-up", warm, "--json", log)] == ["ok"] * 3 + ["warming_up"] * 3


def test_the_same_log_gives_the_same_lines(run: Any, tmp_path: Path, warm: str) -> None:
    log = write(tmp_path / "log.ndjson.gz", events(50) + events(50, "attacker", 3, 0.03))
    assert run("--warm-up", warm, "--json", log) == run("--warm-up", warm, "--json", log)


def test_several_files_are_one_log(run: Any, tmp_path: Path, warm: str) -> None:
    both = events(30) + events(30, "attacker", 3, 0.03)
    one = write(tmp_path / "one.ndjson", both)
    parts = [write(tmp_path / "a.ndjson", both[:40]), write(tmp_path / "b.ndjson.gz", both[40:])]
    assert run("--warm-up", warm, "--json", one) == run("--warm-up", warm, "--json", *parts)


def test_a_minus_is_standard_input(tmp_path: Path, warm: str) -> None:
    command = [sys.executable, "-m", "exporter", "replay", "--warm-up", warm, "--json", "-"]
    log = b"".join(json.dumps(event).encode() + b"\n" for event in events(3))
    for data in (log, gzip.compress(log)):
        done = subprocess.run(command, input=data, capture_output=True, check=True)
        assert len(done.stdout.splitlines()) == 3
        assert done.stderr == b"", "no bar where nobody looks"


def test_times_that_run_backwards_and_missing_ones_do_no_harm(run: Any, tmp_path: Path, warm: str) -> None:
    log = events(40)
    del log[3]["timestamp"]
    log[20]["timestamp"] = 5.0
    assert {one["level"] for one in run("--warm-up", warm, "--json", write(tmp_path / "log", log))} == {"ok"}


def test_the_profile_and_the_allow_list_are_those_of_the_configuration(run: Any, tmp_path: Path, warm: str) -> None:
    config = tmp_path / "vedette.yml"
    config.write_text("defaults: {clients: {allow: [attacker]}}\n")
    log = write(tmp_path / "log", events(40, "attacker", 3, 0.03))
    found = run("--config", str(config), "--warm-up", warm, "--json", log)
    assert {one["level"] for one in found} == {"ok"}


def test_the_tables_name_clients_alerts_and_thresholds(run: Any, tmp_path: Path, warm: str) -> None:
    log = write(tmp_path / "log", [*events(30), "no json", *events(40, "attacker", 3, 0.03)])
    text = run("--warm-up", warm, log)
    assert "71 lines, 1 rejected, 0 to learn what is natural" in text
    row = next(line.split() for line in text.splitlines() if line.strip().startswith("attacker"))
    assert row[1] == "severe"
    alert = next(line for line in text.splitlines() if "VedetteClientSuspicious" in line)
    assert " ".join(alert.split()) == "VedetteClientSuspicious critical S/h ≥ 2, or two families ≥ 1 1"


def test_quiet_logs_fire_nothing(run: Any, tmp_path: Path, warm: str) -> None:
    assert "no alert would have fired" in run("--warm-up", warm, write(tmp_path / "log", events(30)))


@pytest.mark.parametrize("content", [None, b"\x1f\x8bno gzip"])
def test_a_file_that_cannot_be_read_is_a_failure_in_one_line(run: Any, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "log"
    if content is not None:
        path.write_bytes(content)
    error = run("--json", str(path), code=1)
    assert error.startswith(f"vedette: {path}: cannot be read: ")
    assert error.count("\n") == 1


def test_a_warm_up_of_too_few_queries_is_a_failure(run: Any, tmp_path: Path) -> None:
    few = write(tmp_path / "few", events(5))
    assert "5 lines hold too few queries of any model to learn from" in run("--warm-up", few, few, code=1)


def test_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from exporter.commands import replay

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    bar = replay._Bar(write(tmp_path / "log", events(2)))
    bar._next = 0.0
    bar.show(bar._size // 2)
    bar.clear()
    assert "log [###############               ]  50%" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
