"""How busy the machine is."""

import sys

import pytest

from vedette_client.resources import sampler


def test_processor_and_memory_are_ratios() -> None:
    usage = sampler()()
    assert {"cpu_usage", "memory_usage"} <= set(usage)
    assert all(0 <= value <= 1 for value in usage.values())


def test_without_the_extras_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert sampler()() == {}
