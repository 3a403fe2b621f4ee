"""What each answer means for the records that were sent."""

import json

import pytest

from vedette_client.answers import ERRORS_IN_A_ROW, LONGEST_TOLD, MOST_TOLD, Outcome, Verdict, judge
from vedette_client.transport import Answer


@pytest.mark.parametrize("status", [301, 307, 401, 404, 408, 429, 500, 507])
def test_a_busy_or_misled_server_makes_the_lane_wait(status: int) -> None:
    assert judge(Answer(status), 5, "lines").verdict is Verdict.LATER


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_is_away_makes_all_wait(status: int) -> None:
    assert judge(Answer(status), 5, "lines").verdict is Verdict.DOWN


@pytest.mark.parametrize("status", [413, 400])
def test_what_is_too_much_is_halved_and_a_lone_record_dropped(status: int) -> None:
    assert judge(Answer(status), 2, "lines").verdict is Verdict.HALVE
    alone = judge(Answer(status), 1, "lines")
    assert (alone.verdict, alone.dropped) == (Verdict.SETTLED, 1)


def test_an_array_with_a_wrong_record_is_taken_apart_and_lines_are_not() -> None:
    assert judge(Answer(422), 2, "array").verdict is Verdict.HALVE
    assert judge(Answer(403), 2, "array").verdict is Verdict.HALVE  # one is of a model that the key is not for
    assert judge(Answer(422), 2, "lines") == Outcome(Verdict.SETTLED, dropped=2, reason="rejected")


def test_a_record_that_breaks_the_server_does_not_hold_up_the_others_for_ever() -> None:
    assert judge(Answer(500), 2, "lines", ERRORS_IN_A_ROW).verdict is Verdict.HALVE
    assert judge(Answer(500), 1, "lines", ERRORS_IN_A_ROW).reason == "server_error"


def test_rejected_and_duplicate_queries_are_told_apart() -> None:
    body = {"accepted": 4, "duplicates": 2, "rejected": [{"index": 1, "reason": "no"}]}
    outcome = judge(Answer(202, json.dumps(body).encode()), 5, "lines")
    assert outcome == Outcome(Verdict.SETTLED, taken=4, duplicates=2, dropped=1, reason="rejected", told=("[1] no",))


def test_why_records_are_refused_is_told_in_the_words_of_the_exporter() -> None:
    body = {"detail": "[2].latency: expected `float` > 0.0"}
    assert judge(Answer(422, json.dumps(body).encode()), 1, "array").told == ("[2].latency: expected `float` > 0.0",)
    assert judge(Answer(403, b'{"detail": "not for this model"}'), 1, "single").told == ("not for this model",)


def test_of_many_reasons_a_few_are_told_each_on_one_short_line() -> None:
    rejected = [{"index": index, "reason": "no\nERROR forged " + "x" * 9999} for index in range(500)]
    body = json.dumps({"accepted": 0, "duplicates": 0, "rejected": rejected})
    told = judge(Answer(422, body.encode()), 500, "lines").told
    assert len(told) == MOST_TOLD
    assert told[0].startswith("[0] no ERROR forged xxx")
    assert {len(text) for text in told} == {LONGEST_TOLD}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"3", b'{"detail": [1]}', b'{"rejected": [3]}', b'{"rejected": {}}']
)
def test_a_refusal_in_other_words_is_one_without_a_reason(body: bytes) -> None:
    assert judge(Answer(422, body), 1, "lines").told == ()


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"{}", b'{"rejected": 3, "duplicates": 0}', b"\xff"])
def test_an_answer_that_tells_nothing_counts_as_all_taken(body: bytes) -> None:
    assert judge(Answer(202, body), 5, "lines").taken == 5


@pytest.mark.parametrize("status", [402, 403, 405, 415])
def test_what_is_refused_for_good_is_dropped(status: int) -> None:
    assert judge(Answer(status), 3, "lines") == Outcome(Verdict.SETTLED, dropped=3, reason="refused")
