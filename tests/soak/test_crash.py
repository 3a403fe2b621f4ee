"""Ended under load, in short; `make soak` does it for minutes."""

import pytest

from soak.crash import crash


@pytest.mark.parametrize("how", ["kill", "term"])
def test_every_promise_is_kept_when_it_is_ended_again_and_again(how: str) -> None:
    report = crash(seconds=5.0, ends=3, how=how, seed=1)
    assert report.problems == [], report.text()
