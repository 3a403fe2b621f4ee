"""What `/metrics` shows of the program itself."""

from typing import Any

import pytest

from detectors import Query
from exporter.config import External
from exporter.delivery import Delivery
from tests.exporter.metrics.conftest import Build, Files, Gate, judge, page


def test_what_sources_files_canary_and_reload_say_is_on_the_page(config: Build, expose: Any) -> None:
    exposed = expose(config(external=External(url="http://v:1")), files=Files(), open_intake=lambda: True)
    exposed.intake["push"].accepted, exposed.intake["push"].duplicates = 5, 2
    exposed.intake["detect"].rejected["malformed"] = 4
    exposed.canary.succeeded_at, exposed.reload_successful, exposed.reloaded_at = 8.0, False, 6.0
    exposed.pipeline.offer(Delivery(source="push", queries=[Query("a")] * 4, received=0.0))
    found = page(exposed)
    assert (found['queries_accepted_total{source="push"}'], found['queries_duplicate_total{source="push"}']) == (5, 2)
    assert found['queries_rejected_total{reason="malformed",source="detect"}'] == 4
    assert (found["drop_files_total"], found["drop_files_pending"]) == (3, 2)
    assert found['drop_files_failed_total{reason="malformed"}'] == 1
    assert found['drop_files_failed_total{reason="unreadable"}'] == 0
    assert (found["queue_queries"], found["queue_capacity_queries"], found["open_intake"]) == (4, 50_000, 1)
    assert found["canary_last_success_timestamp_seconds"] == 8
    assert (found["config_last_reload_successful"], found["config_last_reload_success_timestamp_seconds"]) == (0, 6)
    assert found['external_info{grafana_url="",url="http://v:1"}'] == 1


def test_a_clock_that_was_set_back_is_on_the_page_and_in_the_log(
    config: Build, expose: Any, caplog: pytest.LogCaptureFixture
) -> None:
    exposed = expose(config())
    judge(exposed, Query("a"), received=1_000_000.0)
    judge(exposed, Query("b"), received=999_950.0)  # only taken in another order
    assert page(exposed)["clock_ahead_seconds"] == 0
    judge(exposed, Query("c"), received=996_400.0)
    judge(exposed, Query("d"), received=996_401.0)
    assert page(exposed)["clock_ahead_seconds"] == 3600
    [line] = [record for record in caplog.records if "set back" in record.getMessage()]
    assert vars(line)["seconds"] == 3600


def test_who_was_kept_out_is_on_the_page(config: Build, expose: Any) -> None:
    found = page(expose(config(), gate=Gate()))
    assert found['authentication_failures_total{reason="revoked"}'] == 3
    assert found['authentication_failures_total{reason="missing"}'] == 0
    assert found["rate_limited_total"] == 2
