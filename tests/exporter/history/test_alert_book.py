"""Alerts as they are told, reconciled, and answered for."""

import pytest

from exporter.history.alert_book import AlertBook
from exporter.history.database import Database
from exporter.history.numbers import Numbers
from exporter.history.rows import Alert
from tests.exporter.conftest import Clock

NOW = 1_700_000_000.0


def alert(name: str = "A", time: float = NOW, firing: bool = True, starts: float = NOW - 60, **more: object) -> Alert:
    ends = None if firing else time
    labels = {"alertname": name, "model": "chat"}
    return Alert(
        time=time,
        model="chat",
        fingerprint=f"f{name}",
        starts_at=starts,
        ends_at=ends,
        firing=firing,
        alertname=name,
        labels=labels,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def book(database: Database) -> AlertBook:
    return AlertBook(database, Numbers(Clock(NOW)))


def test_an_alert_that_is_told_again_is_one_alert_with_the_last_word(book: AlertBook) -> None:
    book.hear([alert(annotations={"summary": "3 %"})])
    book.hear([alert(time=NOW + 9, annotations={"summary": "5 %"})])
    [kept] = book.listed(0)
    assert (kept.annotations, kept.firing, kept.time) == ({"summary": "5 %"}, True, NOW + 9)
    book.hear([alert(time=NOW + 20, firing=False)])
    [kept] = book.listed(0)
    assert (kept.firing, kept.is_resolved, kept.resolved_at) == (False, True, NOW + 20)


def test_the_same_labels_at_another_time_are_another_alert(book: AlertBook) -> None:
    book.hear([alert(), alert(starts=NOW + 600)])
    assert [kept.starts_at for kept in book.listed(0)] == [NOW + 600, NOW - 60]


def test_what_alertmanager_no_longer_holds_is_over(book: AlertBook) -> None:
    book.hear([alert("A"), alert("B"), alert("late", time=NOW + 11)])
    book.reconcile([alert("B", time=NOW + 10), alert("C", time=NOW + 10)], NOW + 10)
    states = {kept.alertname: kept.firing for kept in book.listed(0)}
    assert states == {"A": False, "B": True, "C": True, "late": True}
    assert book.get(alert("A").id).resolved_at == NOW + 10  # type: ignore[union-attr]


def test_it_knows_which_alerts_that_fire_are_those_of_others(book: AlertBook) -> None:
    others = [alert("DiskFull"), alert("VedetteWatchdog", severity="none"), alert("Vedette")]
    book.hear([*others, alert("VedetteExporterDown", category="self"), alert("Over", firing=False)])
    assert book.firing_of_others() == {one.id for one in others}


def test_an_alert_that_fires_again_after_it_was_told_to_be_over_fires(book: AlertBook) -> None:
    book.hear([alert(firing=False)])
    book.reconcile([alert(time=NOW + 10)], NOW + 10)
    [kept] = book.listed(0)
    assert (kept.firing, kept.ends_at) == (True, None)


def test_what_people_said_outlasts_what_is_told(book: AlertBook) -> None:
    book.hear([alert()])
    book.mark_resolved(alert().id, "key-1", NOW + 1)
    book.acknowledge(alert().id, "key-2", NOW + 2, NOW + 3_600, "mine", "silence-1")
    book.hear([alert(time=NOW + 5)])
    [kept] = book.listed(0)
    assert (kept.firing, kept.is_resolved, kept.resolved_at) == (True, True, NOW + 1)
    assert (kept.marked_resolved_by, kept.acknowledged_by, kept.comment) == ("key-1", "key-2", "mine")
    assert book.active() == 0


def test_who_did_what_is_kept_in_order(book: AlertBook) -> None:
    book.hear([alert()])
    book.acknowledge(alert().id, "key-2", NOW, NOW + 60, "mine", "silence-1")
    book.hear([alert(firing=False)])
    [over] = book.silenced_and_over()
    book.forget_silence(over.id)
    book.mark_resolved(alert().id, "key-1", NOW + 1)
    assert [(row["action"], row["by"]) for row in book.audited(alert().id)] == [
        ("acknowledge", "key-2"),
        ("silence expired", "vedette"),
        ("resolve", "key-1"),
    ]
    assert book.silenced_and_over() == []


def test_times_models_state_and_position_choose(book: AlertBook) -> None:
    book.hear([alert("old", starts=NOW - 9_000), alert("over", starts=NOW - 9_000, firing=False), alert("new")])
    assert [kept.alertname for kept in book.listed(NOW - 3_600)] == ["new", "old"]
    assert [kept.alertname for kept in book.listed(0, resolved=True)] == ["over"]
    assert [kept.alertname for kept in book.listed(0, resolved=False, limit=1, skip=1)] == ["old"]
    assert book.listed(0, frozenset({"other"})) == []
    assert (book.active(), book.active(frozenset({"chat"})), book.active(frozenset())) == (2, 2, 0)


def test_texts_that_no_database_takes_are_told_all_the_same(book: AlertBook) -> None:
    book.hear([alert(annotations={"summary": "zero \0 half \ud800"})])
    assert book.listed(0)[0].annotations == {"summary": "zero � half ?"}


def test_what_was_heard_of_in_the_moment_of_asking_is_left_alone(book: AlertBook) -> None:
    book.hear([alert("before", time=NOW + 9), alert("just then", time=NOW + 10)])
    book.reconcile([], NOW + 10)
    assert {kept.alertname: kept.firing for kept in book.listed(0)} == {"before": False, "just then": True}
