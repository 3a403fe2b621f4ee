"""Volume against the peers."""

import numpy as np
import pytest

from detectors.volume import coverage, shares_below


def test_the_share_of_clients_that_send_less():
    counts = np.array([5, 1, 5, 9])
    expected = [sum(other < count for other in counts) / 3 for count in counts]
    assert shares_below(counts).tolist() == pytest.approx(expected)


def test_one_client_alone_has_no_peers():
    assert shares_below(np.array([7])).tolist() == [0.0]
    assert shares_below(np.zeros(0, int)).tolist() == []


def test_coverage_is_a_share_of_what_is_known():
    assert (coverage(2, 8), coverage(3, 2), coverage(0, 0)) == (0.25, 1.0, 0.0)
