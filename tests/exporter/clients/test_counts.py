"""Counts of alarms, and who is waiting to be told of."""

import pytest

from exporter.clients import counts as module
from exporter.clients.account import Account, Example
from exporter.clients.bits import FAMILIES
from exporter.clients.counts import Counts

FOUND = dict.fromkeys(FAMILIES, 0.0) | {"repeat": 1.5, "variants": 3.0}


def note(counts: Counts, account: Account, *in_alarm: str, client: str = "eve") -> None:
    """What a query comes to, as weighing says it."""
    if in_alarm:
        counts.note(client, account, "alarm", FOUND, in_alarm, 5.0)
    account.in_alarm = in_alarm


def test_a_family_counts_when_it_comes_into_alarm_and_again_once_it_was_out() -> None:
    counts, account = Counts(), Account(0.0)
    for in_alarm in (("repeat",), ("repeat",), ("repeat", "variants"), (), ("variants",)):
        note(counts, account, *in_alarm)
    assert counts.alarms == {"repeat": 1, "variants": 2, "uncertainty": 0, "distribution": 0}


def test_who_comes_into_alarm_is_told_once_with_the_examples_of_then_and_since() -> None:
    counts, account = Counts(), Account(0.0)
    note(counts, account, "repeat")
    note(counts, account, "repeat", "variants")
    account.examples.append(Example(5.0, "7", ("exact_repeat",), ("repeats",)))
    [news] = counts.take_news()
    assert (news.client, news.level, news.families, news.time) == ("eve", "alarm", FOUND, 5.0)
    assert news.in_alarm == ("repeat", "variants")
    assert [example.id for example in news.examples] == ["7"]
    assert counts.take_news() == []
    note(counts, account)
    note(counts, account, "variants")
    assert len(counts.take_news()) == 1, "it was out of alarm in between"


def test_news_that_nobody_asks_for_are_bounded_and_their_alarms_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NEWS", 3)
    counts = Counts()
    for n in range(5):
        note(counts, Account(0.0), "repeat", client=f"client {n}")
    assert [news.client for news in counts.take_news()] == ["client 0", "client 1", "client 2"]
    assert counts.alarms["repeat"] == 5


def test_counts_go_on_from_a_state_and_begin_anew_when_told() -> None:
    counts = Counts()
    counts.alarms["repeat"] = 9
    counts.load({"alarms": {"variants": 2}, "dismissed": {"variants": 1}, "without_client": 4})
    assert counts.alarms == {**dict.fromkeys(FAMILIES, 0), "variants": 2}
    assert counts.dismissed == {**dict.fromkeys(FAMILIES, 0), "variants": 1}
    assert counts.without_client == 4
    counts.begin_anew()
    assert counts.alarms == counts.dismissed == dict.fromkeys(FAMILIES, 0)
    assert counts.without_client == 4
