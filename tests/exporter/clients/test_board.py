"""Which clients are shown, and for how long."""

import pytest

from exporter.clients.board import LEAVE_SECONDS, MOST_ALARMS, TOP, Board

NOW, HOLD = 1_000_000.0, 900.0


def families(repeat: float = 0.0, variants: float = 0.0) -> dict[str, float]:
    return {"repeat": repeat, "variants": variants}


def alarm(board: Board, client: str, now: float = NOW, level: str = "alarm", **evidence: float) -> None:
    board.note(client, level, families(**(evidence or {"repeat": 1.0})), now, evidence=now)


def quiet(board: Board, client: str, now: float, level: str = "alarm", evidence: float = NOW) -> None:
    """A query without evidence."""
    board.note(client, level, families(repeat=1.0), now, evidence=evidence)


def names(board: Board, now: float = NOW) -> list[str]:
    return [held.client for held in board.alarms(now)]


# -- alarms


def test_an_alarm_is_held_until_15_minutes_after_the_last_evidence() -> None:
    board = Board()
    alarm(board, "eve")
    assert names(board, NOW + HOLD) == ["eve"]
    assert names(board, NOW + HOLD + 1) == []


def test_further_evidence_prolongs_it_and_queries_without_evidence_do_not() -> None:
    board = Board()
    alarm(board, "eve")
    alarm(board, "eve", NOW + 600)
    quiet(board, "eve", NOW + 900, evidence=NOW + 600)
    assert names(board, NOW + 600 + HOLD) == ["eve"]
    assert names(board, NOW + 601 + HOLD) == []


def test_evidence_below_the_alarm_prolongs_an_alarm_that_is_held() -> None:
    board = Board()
    alarm(board, "eve")
    board.note("eve", "watch", families(repeat=0.6), NOW + 800, evidence=NOW + 800)
    assert names(board, NOW + 800 + HOLD) == ["eve"]


def test_a_client_without_new_evidence_does_not_come_back_by_asking() -> None:
    board = Board()
    alarm(board, "eve")
    quiet(board, "eve", NOW + HOLD + 10)
    assert names(board, NOW + HOLD + 10) == []


def test_a_held_alarm_shows_the_most_there_was_of_each_family() -> None:
    board = Board()
    alarm(board, "eve", level="severe", repeat=2.5)
    alarm(board, "eve", NOW + 1, repeat=0.3, variants=1.2)
    [held] = board.alarms(NOW + 1)
    assert held.families == {"repeat": 2.5, "variants": 1.2}
    assert (held.level, held.began, held.evidence) == ("severe", NOW, NOW + 1)


def test_a_new_alarm_after_one_that_was_over_begins_anew_behind_the_others() -> None:
    board = Board()
    alarm(board, "eve", level="severe", repeat=2.5)
    alarm(board, "mallory", NOW + 600)
    alarm(board, "eve", NOW + HOLD + 1)
    assert names(board, NOW + HOLD + 1) == ["mallory", "eve"]
    assert board.alarms(NOW + HOLD + 1)[1].level == "alarm"


def test_those_that_came_first_stay_at_the_front_however_many_follow() -> None:
    board = Board()
    alarm(board, "eve")
    for number in range(200):
        alarm(board, f"noise-{number}", NOW + number, level="severe", repeat=4.0)
        alarm(board, "eve", NOW + number)
    assert names(board, NOW + 199)[0] == "eve"


def test_an_alarm_is_over_once_the_time_has_passed_and_not_at_it() -> None:
    board = Board()
    alarm(board, "eve")
    board.note("eve", "ok", families(), NOW + HOLD, evidence=NOW + HOLD)
    assert names(board, NOW + 2 * HOLD) == ["eve"]


def test_alarms_that_are_over_are_let_go_of_once_there_are_many_and_no_others() -> None:
    board = Board()
    for number in range(2 * MOST_ALARMS):
        alarm(board, f"over-{number}" if number % 2 else f"goes-on-{number}")
    assert len(list(board.held())) == 2 * MOST_ALARMS
    for number in range(0, 2 * MOST_ALARMS, 2):
        alarm(board, f"goes-on-{number}", NOW + HOLD)
    board.changed.begin(())
    alarm(board, "late", NOW + HOLD + 1)
    assert set(board.held()) == {f"goes-on-{number}" for number in range(0, 2 * MOST_ALARMS, 2)} | {"late"}
    assert set(board.changed.take(1000)) == {"late", *(f"over-{number}" for number in range(1, 2 * MOST_ALARMS, 2))}
    over = NOW + 10 * HOLD
    for number in range(MOST_ALARMS - 1):
        alarm(board, f"next-{number}", over)
    assert len(list(board.held())) == 2 * MOST_ALARMS  # it is looked through when they have doubled, not each time
    alarm(board, "one more", over)
    assert len(list(board.held())) == MOST_ALARMS


# -- the most suspicious


def suspect(board: Board, client: str, ratio: float, now: float = NOW) -> None:
    board.note(client, "watch", families(repeat=ratio), now, evidence=now)


def top(board: Board, now: float = NOW) -> list[str]:
    return [client for client, _ in board.most_suspicious(now)]


def test_the_most_suspicious_come_first_and_others_are_left_out() -> None:
    board = Board()
    for number in range(3 * TOP):
        suspect(board, f"client-{number}", (number + 1) / 100)
    shown = board.most_suspicious(NOW)
    assert len(shown) == TOP
    assert shown[0] == ("client-59", pytest.approx(0.6))


def test_a_client_that_is_hardly_suspicious_is_on_no_list() -> None:
    board = Board()
    suspect(board, "alice", 0.04)
    suspect(board, "bob", 0.5)
    suspect(board, "bob", 0.01)
    assert top(board) == []


def test_one_that_falls_behind_stays_for_ten_minutes() -> None:
    board = Board()
    suspect(board, "eve", 0.1)
    assert top(board) == ["eve"]
    for number in range(2 * TOP):
        suspect(board, f"client-{number}", 0.5)
    assert "eve" in top(board, NOW + 1)
    assert "eve" in top(board, NOW + 1 + LEAVE_SECONDS)
    assert "eve" not in top(board, NOW + 2 + LEAVE_SECONDS)


def test_the_list_is_bounded_however_fast_clients_come_and_go() -> None:
    board = Board()
    for number in range(20 * TOP):
        suspect(board, f"client-{number}", 0.1 + number / 1_000)
        top(board, NOW + number / 10)
    assert len(top(board, NOW + 40)) <= 2 * TOP


def test_of_too_many_that_came_and_went_the_least_suspicious_go_first() -> None:
    board = Board()
    for lap in range(3):
        for number in range(TOP):
            suspect(board, f"client-{lap}-{number}", 0.1 + lap / 10)
        top(board, NOW + lap)
    shown = top(board, NOW + 3)
    assert len(shown) == 2 * TOP
    assert {client.split("-")[1] for client in shown} == {"1", "2"}


# -- keeping


@pytest.mark.parametrize("change", ["evidence", "alarm", "forget"])
def test_what_changes_of_an_alarm_is_to_be_written_down(change: str) -> None:
    board = Board()
    alarm(board, "eve")
    board.changed.begin(board.held())
    board.changed.take(10)
    if change == "evidence":
        board.note("eve", "watch", families(repeat=0.6), NOW + 1, evidence=NOW + 1)
    elif change == "alarm":
        alarm(board, "eve", NOW + 1)
    else:
        board.forget("eve")
    assert board.changed.take(10) == ["eve"]


def test_numbers_go_on_after_a_restart_so_that_order_is_that_of_coming() -> None:
    board, again = Board(), Board()
    for client in ("eve", "mallory"):
        alarm(board, client)
    entries = {client: board.entry(client) for client in board.held()}
    again.load(board.dump(), dict(reversed(entries.items())))
    alarm(again, "trudy")
    assert names(again) == ["eve", "mallory", "trudy"]
    assert [held.number for held in again.alarms(NOW)] == [1, 2, 3]


def test_a_board_goes_on_after_a_restart() -> None:
    board, again = Board(), Board()
    alarm(board, "eve", level="severe", repeat=2.5)
    suspect(board, "bob", 0.5)
    again.load(board.dump(), {client: board.entry(client) for client in board.held()})
    for client in ("eve", "bob"):
        again.suspect(client, families(repeat=2.5 if client == "eve" else 0.5), NOW)
    assert again.alarms(NOW) == board.alarms(NOW)
    assert again.most_suspicious(NOW) == board.most_suspicious(NOW)


def test_a_client_that_is_forgotten_is_on_no_list() -> None:
    board = Board()
    alarm(board, "eve")
    top(board)
    board.forget("eve")
    assert names(board) == top(board) == []
