"""Which clients are shown, and for how long."""

import pytest

from exporter.clients.board import LEAVE_SECONDS, TOP, Board

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


# -- keeping


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
