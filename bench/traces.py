"""How attacks, extraction and benign traffic come out on query traces: `make bench TRACES=folder`.

The folder holds traces and the script that drives them through `vedette replay`, evaluate.py. Without it, every row
says "not measured".
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.row import Row

CONFIGS = Path(__file__).parent / "traces"
#: kinds of traces that are told together
ATTACKS, EXTRACTION, MIXED = ("attack", "misuse"), ("extraction",), ("attack-adaptive", "mixed")


def rows() -> list[Row]:
    """The targets with the profile `default`, and the hard benign clients with `stream`."""
    default, stream = (measured(os.environ.get("TRACES"), profile) for profile in ("default", "stream"))
    median = _first(default, ATTACKS, statistics.median)
    return [
        *_found("attacks and misuse", default, ATTACKS, 0.97),
        Row("attacks and misuse, first alarm, worst", _first(default, ATTACKS, max), "queries", target=40),
        Row("attacks and misuse, first alarm, median", median, "queries", target=10),
        *_found("extraction", default, EXTRACTION, 0.98),
        Row("extraction, first alarm, worst", _first(default, EXTRACTION, max), "queries", target=130),
        *_found("mixed", default, MIXED, 0.75),
        Row("benign, share of queries in alarm", _false(default, ("benign",)), "%", target=0.1),
        Row("benign, clients alarmed", _alarmed(default, ("benign",)), "clients", target=0),
        Row("benign within mixed, clients alarmed", _alarmed(default, MIXED), "clients", target=0),
        Row("benign-hard, clients alarmed", _alarmed(default, ("benign-hard",)), "clients", target=6),
        Row("benign-hard, clients alarmed, profile stream", _alarmed(stream, ("benign-hard",)), "clients", target=2),
    ]


def measured(folder: str | None, profile: str) -> list[dict[str, Any]]:
    """One row a trace, as the script gives them; none without a folder."""
    if not folder or not Path(folder, "evaluate.py").exists():
        return []
    command = [sys.executable, str(Path(folder, "evaluate.py")), "--command", f"{sys.executable} -m exporter", "--json"]
    arguments = ["--config", str(CONFIGS / f"{profile}.yml"), folder]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _found(name: str, traces: list[dict[str, Any]], kinds: tuple[str, ...], coverage: float) -> list[Row]:
    """How many of the attacks were found, and the mean share of their queries that came while they were in alarm."""
    shares = [trace["coverage"] for trace in traces if trace["kind"] in kinds and "coverage" in trace]
    found = float(sum(share > 0 for share in shares)) if shares else None
    mean = statistics.mean(shares) if shares else None
    return [
        Row(f"{name}, found of {len(shares) or 'all'}", found, "traces", least=len(shares)),
        Row(f"{name}, coverage", mean, "", least=coverage),
    ]


def _first(traces: list[dict[str, Any]], kinds: tuple[str, ...], of: Any) -> float | None:
    firsts = [trace["first"] for trace in traces if trace["kind"] in kinds and trace.get("first")]
    return float(of(firsts)) if firsts else None


def _alarmed(traces: list[dict[str, Any]], kinds: tuple[str, ...]) -> float | None:
    counts = [trace["alarmed"] for trace in traces if trace["kind"] in kinds and "alarmed" in trace]
    return float(sum(counts)) if counts else None


def _false(traces: list[dict[str, Any]], kinds: tuple[str, ...]) -> float | None:
    benign = [trace for trace in traces if trace["kind"] in kinds and "false" in trace]
    total = sum(trace["benign"] for trace in benign)
    return 100 * sum(trace["false"] * trace["benign"] for trace in benign) / total if total else None


def main() -> None:
    """Measure and print."""
    for found in rows():
        print("  ".join(found.cells()))


if __name__ == "__main__":
    main()
