"""What was measured in turns becomes a row."""

from bench.row import in_turns


def test_turns_are_summed_up_by_medians_and_by_the_median_of_their_ratios() -> None:
    row = in_turns("a", "ms", [1.0, 6.0, 4.0], [1.0, 2.0, 4.0], limit_of="b", target_ratio=1.5)
    assert (row.measured, row.limit, row.ratio) == (4.0, 2.0, 1.0)
    assert row.reached()
    assert row.cells() == ("a", "4 ms", "2 (b), ratio 1.00", "ratio ≤ 1.5", "reached")


def test_turns_that_are_too_slow_miss_their_target() -> None:
    assert in_turns("a", "ms", [4.0], [2.0], limit_of="b", target_ratio=1.5).reached() is False
