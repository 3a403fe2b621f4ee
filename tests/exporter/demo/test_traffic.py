"""The demo's traffic: when the attack is on, and what is in a batch."""

from exporter.demo.traffic import ATTACK_RATE, ATTACKER, BENIGN_RATE, CHAT, FRAUD, Schedule, Traffic


def test_the_attack_begins_after_the_quiet_and_again_in_each_period() -> None:
    schedule = Schedule(quiet=8, attack=30, period=300)
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
