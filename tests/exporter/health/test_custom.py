"""Custom metrics, through the running server."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from exporter.config import Config, CustomMetric, Limits
from exporter.formats.custom import CustomSample
from exporter.health.custom import CustomMetrics

HITS = {"name": "hits", "kind": "counter", "value": 2, "labels": {"cache": "a"}}
PREFIX = "vedette_custom_"
DECLARED = CustomMetric(name="hits", kind="counter", labels=("cache",), help="Hits")


def refusal(exporter, body):
    answer = exporter.measure(body, "custom")
    assert answer.status_code == 422, answer.text
    return answer.json()["detail"]


def customs(page):
    return {name.removeprefix(PREFIX): value for name, value in page.items() if name.startswith(PREFIX)}


def test_counters_grow_gauges_are_the_largest_and_histograms_collect(serve):
    exporter = serve()
    gauge = {"name": "depth", "kind": "gauge"}
    body = [HITS, HITS, gauge | {"value": 7, "instance": "a"}, gauge | {"value": 3, "instance": "b"}]
    assert exporter.measure([*body, {"name": "wait", "kind": "histogram", "value": 0.3}], "custom").status_code == 201
    found = customs(exporter.page())
    assert (found['hits_total{cache="a"}'], found["depth"], found["wait_sum"], found["wait_count"]) == (4, 7, 0.3, 1)
    assert (found['wait_bucket{le="0.25"}'], found['wait_bucket{le="0.5"}'], found['wait_bucket{le="+Inf"}']) == (
        0,
        1,
        1,
    )


def test_a_gauge_goes_after_five_minutes_and_a_counter_stays(serve, clock):
    exporter = serve(clock=clock)
    exporter.measure([HITS, {"name": "depth", "kind": "gauge", "value": 7}], "custom")
    assert set(customs(exporter.page())) == {"depth", 'hits_total{cache="a"}'}
    clock.now += 301
    assert set(customs(exporter.page())) == {'hits_total{cache="a"}'}


def test_a_name_has_one_kind_and_one_set_of_labels(serve):
    exporter = serve()
    exporter.measure(HITS, "custom")
    assert refusal(exporter, HITS | {"kind": "gauge"}) == "kind: hits is a counter"
    assert refusal(exporter, HITS | {"labels": {}}) == "labels: hits has cache"
    assert refusal(exporter, [HITS, HITS | {"labels": {"cache": "a", "more": "b"}}]) == "labels: hits has cache"
    page = exporter.page()
    assert page['vedette_samples_rejected_total{reason="other_declaration",source="custom"}'] == 3
    assert customs(page) == {'hits_total{cache="a"}': 2}


def test_what_the_configuration_declares_is_taken_and_nothing_else(serve, config):
    exporter = serve(config(custom_metrics=(DECLARED,)))
    assert exporter.measure(HITS, "custom").status_code == 201
    assert refusal(exporter, HITS | {"name": "else"}) == "name: else is not among custom_metrics of the configuration"
    assert exporter.page()['vedette_samples_rejected_total{reason="unknown_metric",source="custom"}'] == 1


def test_names_and_series_are_bounded_and_a_body_is_taken_whole_or_not(serve, config):
    exporter = serve(config(limits=Limits(custom_metrics=2, custom_series=3)))
    bodies = [HITS | {"labels": {"cache": name}} for name in "abcd"]
    assert refusal(exporter, bodies) == "4 new series, limits.custom_series leaves 3"
    assert exporter.measure(bodies[:2], "custom").status_code == 201
    assert exporter.measure(HITS | {"name": "second"}, "custom").status_code == 201
    assert refusal(exporter, HITS | {"name": "third"}).startswith("name: there are as many as limits.custom_metrics")
    assert refusal(exporter, bodies[3]) == "1 new series, limits.custom_series leaves 0"
    assert len(customs(exporter.page())) == 3


def test_series_beyond_the_page_are_left_out_and_counted(serve, config):
    exporter = serve(config(limits=Limits(series=200)))
    exporter.measure([HITS | {"labels": {"cache": str(number)}} for number in range(200)], "custom")
    page = exporter.page()
    assert customs(page) == {}
    assert page["vedette_series_dropped_total"] >= 200


# -- by themselves


def sample(name="hits", kind="counter", value=1.0, **labels):
    return CustomSample(name=name, kind=kind, value=value, labels=labels)


def values(metrics, now=0.0):
    return [each.value for metric in metrics.metrics(now) for each in metric.samples]


def test_what_nobody_pushes_for_a_day_is_forgotten_with_its_name():
    metrics = CustomMetrics(Config(limits=Limits(custom_metrics=1)))
    metrics.admit([sample()], 0.0)
    metrics.count(sample(), "", 0.0)
    metrics.expire(86_400.0)
    assert values(metrics) == [1.0]
    metrics.expire(86_401.0)
    assert values(metrics) == []
    metrics.admit([sample("another")], 86_401.0)


def test_a_name_that_is_declared_otherwise_begins_anew():
    metrics = CustomMetrics(Config(custom_metrics=(DECLARED,)))
    metrics.count(sample(cache="a"), "", 0.0)
    metrics.configure(Config(custom_metrics=(DECLARED, CustomMetric(name="other", kind="gauge"))))
    assert values(metrics) == [1.0]
    metrics.configure(Config(custom_metrics=(CustomMetric(name="hits", kind="counter"),)))
    assert values(metrics) == []
    metrics.count(sample(cache="a"), "", 0.0)  # still in the queue when the configuration changed
    assert values(metrics) == []


def test_a_dump_is_taken_over_where_names_stand_for_the_same():
    metrics = CustomMetrics(Config(custom_metrics=(DECLARED,)))
    metrics.count(sample(cache="a"), "", 0.0)
    for config, expected in ((Config(custom_metrics=(DECLARED,)), [1.0]), (Config(), [1.0])):
        back = CustomMetrics(config)
        back.load(metrics.dump())
        assert values(back) == expected
    back = CustomMetrics(Config(custom_metrics=(CustomMetric(name="hits", kind="histogram"),)))
    back.load(metrics.dump())
    assert values(back) == []


def test_a_gauge_is_in_the_dump_too_and_one_from_before_that_has_none():
    metrics = CustomMetrics(Config())
    metrics.count(sample("depth", "gauge", 3.0), "", 0.0)
    back, older = CustomMetrics(Config()), CustomMetrics(Config())
    back.load(metrics.dump())
    assert values(back) == [3.0]
    older.load([kept[:6] for kept in metrics.dump()])
    assert values(older) == []


@pytest.mark.parametrize("kind", ["gauge", "counter", "histogram"])
def test_every_kind_is_valid_on_the_page(kind):
    metrics = CustomMetrics(Config())
    metrics.count(sample("a", kind, 3.0, x="y"), "", 0.0)

    class Page(Collector):
        def collect(self):
            return metrics.metrics(0.0)

    registry = CollectorRegistry()
    registry.register(Page())
    assert b"# TYPE vedette_custom_a" in generate_latest(registry)
