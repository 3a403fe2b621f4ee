"""The exporter's own series."""

from pathlib import Path

from prometheus_client.core import CounterMetricFamily, Metric

from exporter.anomalies.own import QUERIES, SAVE_MINUTES, OwnSource, queries
from exporter.anomalies.service import AnomalyService
from exporter.config_file import parse
from exporter.metrics.families import FAMILIES, PREFIX
from tests.exporter.anomalies.conftest import NOW, STEP, exposed
from tests.exporter.conftest import Clock


class Counted:
    """Counters of models, as the program's page has them."""

    def __init__(self) -> None:
        self.queries = {"chat": 0.0}
        self.flagged = {"chat": 0.0}

    def __call__(self) -> list[Metric]:
        out = []
        for name, known in (("queries", self.queries), ("suspicious_queries", self.flagged)):
            family = CounterMetricFamily(PREFIX + name, "", labels=["model"])
            for model, count in known.items():
                family.add_metric([model], count)
            out.append(family)
        return out


def values(source: OwnSource, name: str) -> list[list[float]]:
    return [points.values.tolist() for _, points in source.range(name, 0, NOW * 2, STEP, name).values()]


def test_what_is_counted_here_is_named_as_the_program_exposes_it() -> None:
    known = {PREFIX + family.name for family in FAMILIES}
    assert {"vedette_queries_total", "vedette_suspicious_queries_total", "vedette_detection_score"} <= known
    assert {query.expr for query in queries()} == set(QUERIES)


def test_rates_and_shares_are_of_the_minute_before() -> None:
    counted = Counted()
    source = OwnSource(counted)
    for minute, (judged, flagged) in enumerate([(0, 0), (120, 30), (120, 0), (0, 0)]):
        counted.queries["chat"] += judged
        counted.flagged["chat"] += flagged
        source.sample(NOW + minute * STEP + 7)
        source.sample(NOW + minute * STEP + 20)  # the same minute: nothing
    assert values(source, "vedette_queries") == [[2.0, 2.0, 0.0]]
    assert values(source, "vedette_flagged") == [[0.25, 0.0]]  # without queries there is no share


def test_a_counter_that_fell_and_a_minute_that_was_missed_give_no_point() -> None:
    counted = Counted()
    source = OwnSource(counted)
    for minute, total in [(0, 100.0), (1, 160.0), (2, 10.0), (3, 70.0), (6, 80.0), (7, 140.0)]:
        counted.queries["chat"] = total
        source.sample(NOW + minute * STEP)
    assert values(source, "vedette_queries") == [[1.0, 1.0, 1.0]]


def test_a_clock_that_is_set_back_takes_the_points_ahead_of_it_along(tmp_path: Path) -> None:
    counted, path = Counted(), tmp_path / "own.msgpack"
    source = OwnSource(counted, path)
    for minute in (0, 1, 2, 1, 3, 62, 63, 64, 5, 6, 7):
        counted.queries["chat"] += 60
        source.sample(NOW + minute * STEP)
    source.save()
    [points] = [points for _, points in source.range("vedette_queries", 0, NOW * 2, STEP, "").values()]
    assert ((points.times - NOW) / STEP).tolist() == [1, 2, 3, 6, 7]
    again = OwnSource(counted, path)
    again.sample(NOW + 5 * STEP)
    assert len(values(again, "vedette_queries")[0]) == 3


def test_a_restart_knows_the_points(tmp_path: Path) -> None:
    counted, path = Counted(), tmp_path / "state" / "own.msgpack"
    source = OwnSource(counted, path)
    for minute in range(3):
        counted.queries["chat"] += 60
        source.sample(NOW + minute * STEP)
    source.save()
    assert values(OwnSource(counted, path), "vedette_queries") == [[1.0, 1.0]]
    for damaged in (b"broken", b"", b"\x81\xa2\xff\xfe\x80"):
        path.write_bytes(damaged)
        assert values(OwnSource(counted, path), "vedette_queries") == []


def test_one_line_of_configuration_learns_and_judges_without_a_prometheus(tmp_path: Path) -> None:
    counted, clock = Counted(), Clock(NOW)
    service = AnomalyService(parse("anomalies: {own: true}").anomalies, tmp_path, counted, clock=clock)
    for minute in range(1100):
        counted.queries["chat"] += 600 + minute * 7919 % 60
        clock.now += STEP
        service.tick(clock.now)
    while service.train_due(clock.now):
        pass
    assert service.queries["vedette_queries"].is_ready
    for _ in range(5):
        counted.queries["chat"] += 620
        clock.now += STEP
        service.tick(clock.now)
    assert exposed(service)["vedette_anomaly_incidents_open"][0] == ({"query": "vedette_queries"}, 0)
    for minute in range(5):
        counted.queries["chat"] += 60_000 + 6_000 * minute
        clock.now += STEP
        service.tick(clock.now)
    [found] = [one for one in service.log.newest_first() if one.algorithm != "group"]
    assert (found.metric, found.labels) == ("vedette_queries", {"model": "chat"})
    assert found.value >= 1000 > (found.upper or 0)


def test_points_are_written_every_ten_minutes_without_being_asked(tmp_path: Path) -> None:
    counted, path = Counted(), tmp_path / "state" / "deeper" / "own.msgpack"
    source = OwnSource(counted, path)
    for minute in range(SAVE_MINUTES - 1):
        source.sample(NOW + minute * STEP)
    assert not path.exists()
    source.sample(NOW + SAVE_MINUTES * STEP)
    assert values(OwnSource(counted, path), "vedette_queries") == values(source, "vedette_queries")
    assert len(values(source, "vedette_queries")[0]) == SAVE_MINUTES - 2
    written = path.read_bytes()
    source.sample(NOW + (SAVE_MINUTES + 1) * STEP)
    assert path.read_bytes() == written


def test_a_range_holds_both_of_its_ends() -> None:
    counted = Counted()
    source = OwnSource(counted)
    for minute in range(6):
        counted.queries["chat"] += 60.0 * minute
        source.sample(NOW + minute * STEP)
    [(labels, points)] = source.range("vedette_queries", NOW + 2 * STEP, NOW + 4 * STEP, STEP, "queries").values()
    assert (labels, points.values.tolist()) == ({"model": "chat"}, [2.0, 3.0, 4.0])
    assert source.range("vedette_queries", NOW + 9 * STEP, NOW + 10 * STEP, STEP, "queries") == {}
