"""What people and scrapes read of a model's clients."""

import msgspec

from detectors import Query
from exporter.clients import Suspicion
from exporter.clients.bits import BITS, FAMILIES, LEVELS
from exporter.config import Clients
from tests.exporter.clients.streams import natural, observe, search, warm


def test_a_constant_probe_is_suggested_for_the_allow_list() -> None:
    model = warm()
    probes = [Query([0.0] * 10, [0.9, 0.1], client="probe", timestamp=30.0 * n) for n in range(12)]
    observe(model, probes)
    [suggestion] = model.read.suggestions()
    assert (suggestion.client, suggestion.interval_seconds) == ("probe", 30.0)


def test_a_bit_that_is_of_no_use_here_is_off_and_says_why() -> None:
    model = Suspicion(Clients(), 7)
    model.calibrate(natural(40) * 5)
    bits = {bit.name: bit for bit in model.read.bits()}
    assert bits["exact_repeat"].off == "set for 80% of the natural queries"
    assert bits["distance_shape"].off.startswith("only the distances of pictures")
    assert not bits["low_confidence"].off
    assert observe(model, natural(1, "again") * 100)[-1].level == "ok"


def test_views_are_plain_and_complete() -> None:
    model = warm()
    observe(model, natural(60) + search(30, start=60.0))
    view = model.read.client("attacker", 90.0)
    assert view is not None
    assert set(view.families) == set(FAMILIES)
    assert (view.queries, view.volume, view.level) == (30, 1.0, "severe")
    assert view.examples
    assert view.clusters
    assert model.read.levels(90.0) == dict.fromkeys(LEVELS[1:], 0) | {"ok": 12, "severe": 1}
    assert model.read.levels(1e6) == dict.fromkeys(LEVELS[1:], 0)
    assert model.counts.alarms["variants"] == 1
    assert model.read.client("nobody", 0.0) is None
    assert msgspec.json.encode([view, model.read.clusters(), model.read.bits()])


def test_before_the_warm_up_all_evidence_has_its_default_rate_and_nobody_is_known() -> None:
    read = Suspicion(Clients(), 7).read
    assert [(bit.p0, bit.off) for bit in read.bits()] == [(bit.p0, "") for bit in BITS]
    assert (read.is_warm, read.window_queries(), list(read.names()), read.clients(0.0)) == (False, 0, [], [])
    assert read.level("nobody", 0.0) == "ok"


def test_views_are_of_the_clients_that_are_asked_for_in_that_order() -> None:
    model = warm()
    observe(model, natural(60) + search(30, start=60.0))
    found = model.read.views(["user 3", "nobody", "attacker"], 90.0)
    assert [view.client for view in found] == ["user 3", "attacker"]
    assert [view.level for view in found] == [model.read.level(name, 90.0) for name in ("user 3", "attacker")]


def test_a_cluster_is_counted_until_it_is_silent_and_while_one_of_its_clients_is_suspected() -> None:
    model = warm()
    observe(model, search(30, "attacker") + search(30, None, seed=5, start=30.0))
    assert model.read.clusters_in_alarm(60.0, 900.0) == {"one": 1, "none": 1}
    assert model.read.clusters_in_alarm(60.0, 20.0) == {"none": 1}
    model.dismiss("attacker")
    assert model.read.clusters_in_alarm(60.0, 900.0) == {"none": 1}
    assert len(model.read.clusters()) == 2
