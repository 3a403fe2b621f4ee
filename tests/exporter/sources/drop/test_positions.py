import pytest

from exporter.sources.drop.positions import Identity, Position


@pytest.mark.parametrize(
    ("position", "failure"),
    [
        (Position("", Identity(1, 1, 1, 1), taken=1, refused=5), None),
        (Position("", Identity(1, 1, 1, 1)), None),
        (Position("", Identity(1, 1, 1, 1), refused=1), "unreadable"),
        (Position("", Identity(1, 1, 1, 1), taken=1, broken="io"), "io"),
    ],
)
def test_a_file_failed_when_it_is_broken_or_nothing_of_it_was_taken(position, failure):
    assert position.failure == failure
