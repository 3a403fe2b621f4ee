"""Errors as words of a closed set."""

import pytest

from exporter.health.failures import CLIENT_FAULTS, REASONS, reason


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("500", "server_error"),
        ("503 Service Unavailable", "unavailable"),
        ("HTTP 504", "timeout"),
        ("status=429", "rate_limited"),
        ("Error code: 400 - {'error': ...}", "client_error"),
        ("HTTPError: 422", "client_error"),
        ("status_code=501", "server_error"),
        ("TimeoutError", "timeout"),
        ("Read timed out after 500 ms", "timeout"),
        ("RateLimitError: quota exceeded", "rate_limited"),
        ("ConnectionResetError", "unavailable"),
        ("BadRequestError: context_length_exceeded", "client_error"),
        ("CUDA out of memory", "server_error"),
        ("ValueError: shapes do not match", "other"),
        ("answered in 450 steps", "other"),
        ("NotFoundError: no such conversation", "client_error"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'weights.bin'", "server_error"),
        ("ModuleNotFoundError: No module named 'torch'", "server_error"),
        ("PermissionError", "server_error"),
        ("PermissionDeniedError: your key may not", "client_error"),
        ("asyncio.InvalidStateError: invalid state", "server_error"),
    ],
)
def test_the_reason_is_the_status_or_the_words_of_an_error(error, word):
    assert reason(error) == word


def test_reasons_are_a_closed_set_and_the_faults_of_clients_a_part_of_it():
    assert set(REASONS) > CLIENT_FAULTS
    assert {reason(text) for text in ("", "x" * 10_000, "é\0", "400", "599")} <= set(REASONS)
