"""Rules that are not loaded with the others: what they record carries the labels that keep other rule sets away."""

import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.demo.stack import FLAVOURS, binaries
from tests.rules.test_rules import ROOT

FILE = ROOT / "rules" / "optional" / "vedette.bands.yml"


def test_they_are_not_among_those_that_are_loaded_by_default() -> None:
    assert FILE not in (ROOT / "rules").glob("*.yml")


def test_promtool_takes_them() -> None:
    for stack in filter(None, map(binaries, FLAVOURS)):
        done = subprocess.run(
            [stack.promtool, "check", "rules", "--lint=all", "--lint-fatal", FILE], capture_output=True
        )
        assert done.returncode == 0, done.stderr


def test_level_and_band_say_who_learned_them(tmp_path: Path) -> None:
    stack = next(filter(None, map(binaries, FLAVOURS)), None)
    if stack is None:
        pytest.skip("no promtool: python3 tools/install_stack.py")
    labels = 'job="vedette", query="cpu", series="s"'
    kinds = {"level": "value", "upper_band": "upper", "lower_band": "lower"}
    test = {
        "rule_files": [str(FILE)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'vedette_anomaly_{name}{{instance="{instance}", {labels}}}', "values": "2x10"}
                    for name in kinds.values()
                    for instance in ("a", "b")
                ],
                "promql_expr_test": [
                    {
                        "expr": f"anomaly:{kind}",
                        "eval_time": "5m",
                        "exp_samples": [
                            {
                                "labels": f'anomaly:{kind}{{{labels}, anomaly_select="1", anomaly_strategy="vedette"}}',
                                "value": 2,
                            }
                        ],
                    }
                    for kind in kinds
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run([stack.promtool, "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
