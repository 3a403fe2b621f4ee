"""The demo's traffic: when the attack is on, and what is in a batch."""

import msgspec

from exporter.config import Limits
from exporter.demo.traffic import ATTACK_RATE, ATTACKER, BENIGN_RATE, CHAT, FAST, FRAUD, SLOW, Schedule, Traffic
from exporter.formats import inference


def test_the_attack_begins_after_the_quiet_and_again_in_each_period() -> None:
    schedule = Schedule(quiet=8, attack=30, period=300, ill=150)
    on = [second for second in range(600) if schedule.is_attack(second)]
    assert on == [*range(8, 38), *range(308, 338)]


def test_a_batch_holds_ordinary_queries_to_both_models_and_the_attackers_only_in_an_attack() -> None:
    quiet, attack = (Traffic().batch(10, attack) for attack in (False, True))
    assert len(quiet) == 10 * BENIGN_RATE
    assert {event["model"] for event in quiet} == {CHAT, FRAUD}
    assert ATTACKER not in {event["client"] for event in quiet}
    assert sum(event["client"] == ATTACKER for event in attack) == 10 * ATTACK_RATE


def test_runs_are_alike_and_every_query_has_an_id_of_its_own() -> None:
    first, second = (Traffic().batch(20, True) for _ in range(2))
    assert first == second
    assert len({event["id"] for event in first}) == len(first)


def test_the_model_is_ill_when_the_attack_is_over() -> None:
    for schedule in (FAST, SLOW):
        ill = [second for second in range(int(schedule.period)) if schedule.is_ill(second)]
        assert abs(len(ill) - schedule.attack) < 1
        assert not any(schedule.is_attack(second) for second in ill)


def test_an_ill_model_is_beyond_its_thresholds_and_a_well_one_is_not() -> None:
    slow, dollars = {}, {}
    for ill in (False, True):
        events = [event for event in Traffic().batch(60, False, ill) if event["model"] == CHAT]
        slow[ill] = sum(event["latency_seconds"] > 2 for event in events) / len(events)
        tokens = [event["tokens"] for event in events]
        dollars[ill] = sum(each["input"] * 2.5e-7 + each["output"] * 1e-6 for each in tokens)
    assert slow[False] < 0.01
    assert slow[True] > 0.9
    assert dollars[False] < 0.2 < 0.6 < dollars[True]


def test_an_ill_model_has_one_answer_for_nearly_everything() -> None:
    common = {}
    for ill in (False, True):
        events = [event for event in Traffic().batch(60, False, ill) if event["model"] == CHAT]
        common[ill] = sum(event["output"][0] == max(event["output"]) for event in events) / len(events)
    assert common[False] < 0.4
    assert common[True] > 0.95


def test_a_sample_belongs_to_its_query() -> None:
    traffic = Traffic()
    event = next(event for event in traffic.batch(1, False) if event["model"] == CHAT)
    sample = traffic.sample(event, ill=True)
    assert (sample["request_id"], sample["resource_usage"]["gpu_memory"] > 0.8) == (event["id"], True)
    assert inference.decode(msgspec.json.encode(sample), Limits())
