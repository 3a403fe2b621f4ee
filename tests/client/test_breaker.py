"""Back-off and the circuit breaker."""

import pytest

from vedette_client.breaker import FAILURES, FIRST_SECONDS, LONGEST_RETRY_AFTER, Breaker, backoff, wait

LONGEST = 30.0


def most() -> float:
    return 1.0


def least() -> float:
    return 0.0


def test_the_bound_doubles_up_to_a_longest_and_the_jitter_is_full() -> None:
    assert [backoff(attempt, LONGEST, most) for attempt in (1, 2, 3)] == [
        FIRST_SECONDS,
        2 * FIRST_SECONDS,
        4 * FIRST_SECONDS,
    ]
    assert backoff(10_000, LONGEST, most) == LONGEST
    assert backoff(5, LONGEST, least) == 0


@pytest.mark.parametrize("random", [least, most])
def test_it_waits_at_least_as_long_as_the_server_asked(random) -> None:
    assert 7 <= wait(1, LONGEST, 7.0, random) <= 7 + FIRST_SECONDS


def test_an_absurd_retry_after_is_not_believed() -> None:
    assert wait(1, LONGEST, 1e9, least) == LONGEST_RETRY_AFTER


def test_it_opens_after_failures_in_a_row_lets_one_through_and_closes_on_success() -> None:
    breaker = Breaker(LONGEST, most)
    for _ in range(FAILURES - 1):
        breaker.failed(0.0)
        assert breaker.state == "closed"
    breaker.failed(0.0)
    assert breaker.state == "open"
    left = breaker.seconds(1.0)
    assert left > 0
    assert breaker.state == "open"
    assert breaker.seconds(1.0 + left) == 0
    assert breaker.state == "half_open"
    breaker.succeeded()
    assert (breaker.state, breaker.seconds(0.0)) == ("closed", 0)


def test_a_failure_while_half_open_opens_it_again() -> None:
    breaker = Breaker(LONGEST, least)
    for _ in range(FAILURES):
        breaker.failed(0.0)
    breaker.seconds(LONGEST)
    assert breaker.state == "half_open"
    breaker.failed(LONGEST)
    assert breaker.state == "open"
    assert breaker.seconds(LONGEST) > 0


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(LONGEST, most)
    for _ in range(3 * FAILURES):
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.state == "closed"
