"""The table of metrics: its names, and that all of it is exposed."""

import re
from pathlib import Path
from typing import Any

from detectors import Query
from exporter.config import Model, Objectives, OwnDrift, OwnDriftReference, OwnDriftWindow, Thresholds
from exporter.history.recorder import Recorder
from exporter.http.protocol import Connections
from exporter.metrics.families import FAMILIES, PREFIX
from exporter.recovery.keeper import Keeper
from exporter.sources.counts import IntakeCounts
from exporter.sources.duplicates import Duplicates
from exporter.storage.journal import Journal
from tests.exporter.conftest import UNSURE
from tests.exporter.metrics.conftest import Build, Files, Gate, attack, judge, registry

FORBIDDEN = {"deployment", "endpoint", "namespace", "service", "pod", "container", "job", "instance"} | {
    *("severity", "alertname", "type", "env")
}


#: what is exposed of learned series: tests/exporter/anomalies/test_exposition.py
OF_LEARNED_SERIES = ("anomaly_", "baseline_", "group_anomaly_")


def test_names_and_labels_keep_to_the_conventions() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
        assert (family.type == "counter") == family.name.endswith("_total")
        assert not FORBIDDEN & set(family.labels)
        assert family.help
        assert not family.help.endswith(".")


def test_every_family_is_on_a_page_where_everything_has_happened(config: Build, expose: Any, tmp_path: Path) -> None:
    quick = OwnDrift(reference=OwnDriftReference(queries=200, interval=1.0), window=OwnDriftWindow(interval=1.0))
    whole = Model(
        name="m",
        expected_interval=5.0,
        drift=quick,
        thresholds=Thresholds(cost_per_hour=1.0),
        objectives=Objectives(availability=0.9),
    )
    configured = config(models=(whole,))
    exposed = expose(configured, files=Files(), state=tmp_path, http=Connections(configured.limits))
    exposed.journal = Journal(tmp_path / "journal", max_bytes=1 << 20)
    exposed.keeper = Keeper(tmp_path, configured, exposed.pipeline, Duplicates(), exposed.journal)
    exposed.keeper.recover()
    exposed.web_is_good = lambda: True
    exposed.gate = Gate()
    exposed.history = Recorder(configured)
    assert exposed.history.turn()
    exposed.canary.succeeded_at = 1.0
    for second in range(8):
        ids = [f"{second}-{index}" for index in range(200)]
        judge(exposed, *(Query("a", UNSURE, id=name) for name in ids), received=second)
        for name in ids:
            exposed.pipeline.models.of(None).drift.feedback.tell(name, "0", second)
    exposed.pipeline.models.worker.finish()
    exposed.pipeline.models.of(None).suspicion.restart_warm_up()
    attack(exposed)
    exposed.samples, exposed.clock = {"inference": IntakeCounts()}, lambda: 1000.0
    judge(exposed, Query("a", UNSURE, {"time_to_first_token_seconds": 1}, client="c", cost_dollars=1.0))
    for gauge in exposed.pipeline.models.of("m").health.gauges.values():
        gauge.push("a", 0.5, 1000.0)
    shown = {family.name for family in registry(exposed).collect()}
    others = [family for family in FAMILIES if not family.name.startswith(OF_LEARNED_SERIES)]
    assert shown == {PREFIX + family.name.removesuffix("_total") for family in others}
