"""A full disk under load, in short."""

from soak.disk import full_disk


def test_a_full_disk_refuses_and_loses_nothing() -> None:
    report = full_disk(seconds=6.0)
    assert report.problems == [], report.text()
