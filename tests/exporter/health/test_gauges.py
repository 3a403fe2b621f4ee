"""Pushed gauges."""

from exporter.health.gauges import EXPIRY_SECONDS, INSTANCES, PushedGauge


def test_the_largest_of_the_instances_counts():
    gauge = PushedGauge()
    gauge.push("a", 0.9, 0)
    gauge.push("b", 0.4, 1)
    assert gauge.value(2) == 0.9


def test_an_instance_says_what_it_last_pushed():
    gauge = PushedGauge()
    gauge.push("a", 0.9, 0)
    gauge.push("a", 0.1, 1)
    assert gauge.value(2) == 0.1


def test_an_instance_that_pushes_no_more_is_gone_after_five_minutes():
    gauge = PushedGauge()
    gauge.push("a", 0.9, 0)
    gauge.push("b", 0.4, 200)
    assert EXPIRY_SECONDS == 300
    assert [gauge.value(now) for now in (300, 301, 500, 501)] == [0.9, 0.4, 0.4, None]


def test_the_instance_that_was_silent_longest_makes_room():
    gauge = PushedGauge()
    for number in range(INSTANCES):
        gauge.push(f"i{number}", 1 - number / 1000, 0)
    gauge.push("i0", 0.5, 1)
    gauge.push("new", 0.1, 1)  # i1 goes, with 0.999
    assert gauge.value(1) == 0.998


def test_a_gauge_goes_on_from_its_dump_until_its_five_minutes_are_over():
    gauge, back = PushedGauge(), PushedGauge()
    gauge.push("a", 0.9, 0)
    gauge.push("b", 0.4, 200)
    back.load(gauge.dump())
    assert [back.value(now) for now in (300, 301, 501)] == [0.9, 0.4, None]
