"""Freezing a window as the reference for drift, over HTTP."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exporter.config import Config, Model, OwnDrift, OwnDriftReference, OwnDriftWindow
from tests.exporter.conftest import Clock, Exporter

QUICK = OwnDrift(
    reference=OwnDriftReference(queries=200, interval=1.0), window=OwnDriftWindow(queries=200, interval=1.0)
)
PATH = "/api/v1/models/m/reference"
INFO = 'vedette_reference_info{model="m",reference_version="%s",source="%s"}'
SEVERITY = 'vedette_drift_severity_level{model="m"}'


@pytest.fixture
def exporter(serve: Callable[..., Exporter], config: Callable[..., Config], clock: Clock) -> Exporter:
    models = Model(name="m", drift=QUICK), Model(name="plain", drift=OwnDrift(enabled=False))
    return serve(config(models=models), clock=clock)


def push(exporter: Exporter, clock: Clock, seed: int, moved: float = 0.0) -> None:
    """As many queries as a window, over two seconds."""
    values = np.random.default_rng(seed).standard_normal(200) + moved
    for half in (values[:100], values[100:]):
        events = [{"model": "m", "input": {"a": float(value)}} for value in half]
        assert exporter.push(events).json()["accepted"] == 100
        exporter.settle()
        clock.now += 2.0
    exporter.pipeline.models.worker.finish()


def freeze(exporter: Exporter, body: Any, path: str = PATH) -> Any:
    return exporter.session.post(exporter.url + path, json=body, timeout=30)


def test_a_frozen_window_is_what_later_ones_are_compared_with(exporter: Exporter, clock: Clock) -> None:
    push(exporter, clock, 1)
    push(exporter, clock, 2, moved=2.0)
    assert exporter.page()[SEVERITY] == 3
    answer = freeze(exporter, {"version": "after-the-launch"})
    assert (answer.status_code, answer.json()["reference_version"]) == (200, "after-the-launch")
    assert exporter.page()[INFO % ("after-the-launch", "window")] == 1
    push(exporter, clock, 3, moved=2.0)
    assert exporter.page()[SEVERITY] == 0


def test_the_way_back_is_to_collect_what_is_configured(exporter: Exporter, clock: Clock) -> None:
    push(exporter, clock, 1)
    push(exporter, clock, 2, moved=2.0)
    freeze(exporter, {"version": "2"})
    assert exporter.session.delete(exporter.url + PATH, timeout=30).status_code == 200
    assert not [name for name in exporter.page() if "reference_info" in name]
    push(exporter, clock, 3)
    assert exporter.page()[INFO % ("1", "first")] == 1


def test_before_a_window_was_full_there_is_nothing_to_freeze(exporter: Exporter) -> None:
    assert freeze(exporter, {"version": "2"}).status_code == 409


def test_what_is_wrong_is_named(exporter: Exporter) -> None:
    answer = freeze(exporter, {})
    assert (answer.status_code, answer.json()["detail"]) == (422, "version: missing")
    assert freeze(exporter, {"version": "a b"}).status_code == 422
    assert freeze(exporter, {"version": "2"}, "/api/v1/models/nobody/reference").status_code == 404
    assert freeze(exporter, {"version": "2"}, "/api/v1/models/plain/reference").status_code == 404
    assert exporter.session.delete(exporter.url + "/api/v1/models/nobody/reference", timeout=30).status_code == 404


def test_what_cannot_be_written_is_said(exporter: Exporter, clock: Clock) -> None:
    push(exporter, clock, 1)
    push(exporter, clock, 2)
    exporter.saves = False
    assert freeze(exporter, {"version": "2"}).status_code == 507
