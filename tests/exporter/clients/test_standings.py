"""Columns of standings, against one client after the other."""

from collections import Counter

import numpy as np
import pytest

from exporter.clients.account import level_of
from exporter.clients.bits import FAMILIES, HALF_LIFE, LEVELS
from exporter.clients.standings import Standings

HOUR = 3600.0


def test_levels_and_the_largest_are_those_of_looking_at_each_client() -> None:
    random, standings, plain = np.random.default_rng(3), Standings(), {}
    for step in range(3000):
        client = f"client {random.integers(300)}"
        if step % 7 == 0:
            standings.remove(client)
            plain.pop(client, None)
            continue
        ratios = random.choice([0.0, 0.03, 0.3, 0.7, 1.4, 3.0], len(FAMILIES), p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
        families = dict(zip(FAMILIES, ratios.tolist(), strict=True))
        standings.put(client, families, 60.0 * step)
        plain[client] = families, 60.0 * step
    now = 60.0 * 3000 + HOUR
    for within in (HOUR, 2 * HOUR, 1e9):
        expected = Counter(
            level_of({name: ratio * 0.5 ** ((now - last) / HALF_LIFE) for name, ratio in families.items()})
            for families, last in plain.values()
            if now - last <= within
        )
        assert standings.levels(now, within) == {level: expected[level] for level in LEVELS[1:]}
    amounts = {
        client: {name: ratio * 0.5 ** ((now - last) / HALF_LIFE) for name, ratio in families.items()}
        for client, (families, last) in plain.items()
    }
    for rank, level in enumerate(LEVELS[1:]):
        found = standings.ranked(now, level)
        assert {client for _, client in found} == {
            client for client, families in amounts.items() if level_of(families) in LEVELS[1 + rank :]
        }
        assert found == sorted(found, key=lambda entry: (-entry[0], entry[1]))
        assert all(ratio == pytest.approx(max(amounts[client].values())) for ratio, client in found)
    suspicion = {client: max(families.values()) for client, (families, _) in plain.items()}
    assert {client: standings.suspicion(client) for client in plain} == suspicion
    largest = standings.largest(40, 0.05)
    assert [suspicion[client] for client in largest] == sorted(suspicion.values(), reverse=True)[:40]
    assert len(set(largest)) == 40
    assert len(standings) == len(plain)


def test_nobody_is_suspicious_where_nobody_is_known() -> None:
    standings = Standings()
    assert standings.largest(40, 0.05) == []
    assert standings.levels(0.0, HOUR) == dict.fromkeys(LEVELS[1:], 0)
    assert standings.suspicion("nobody") == 0.0
    standings.remove("nobody")


@pytest.mark.parametrize(("ratio", "level"), [(0.49, "ok"), (0.5, "watch"), (1.0, "alarm"), (2.0, "severe")])
def test_a_level_begins_at_its_bound(ratio: float, level: str) -> None:
    standings = Standings()
    standings.put("eve", dict.fromkeys(FAMILIES, 0.0) | {"variants": ratio}, 0.0)
    assert standings.levels(0.0, HOUR)[level] == 1


def test_who_was_active_just_so_long_ago_counts_and_who_was_before_does_not() -> None:
    standings = Standings()
    standings.put("eve", dict.fromkeys(FAMILIES, 0.0), 0.0)
    assert standings.levels(HOUR, HOUR)["ok"] == 1
    assert standings.levels(HOUR + 1, HOUR)["ok"] == 0


def test_who_is_just_suspicious_enough_is_among_the_largest() -> None:
    standings = Standings()
    standings.put("eve", dict.fromkeys(FAMILIES, 0.0) | {"variants": 0.05}, 0.0)
    assert standings.largest(40, 0.05) == ["eve"]
