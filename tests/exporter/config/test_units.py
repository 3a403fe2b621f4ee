"""Durations and sizes."""

import pytest

from exporter.config.units import duration, size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86_400.0),
        ("2w", 1_209_600.0),
        ("1y", 31_536_000.0),
        ("250ms", 0.25),
        ("1d12h30m15s500ms", 131_415.5),
        (45, 45),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_read_into_seconds(written, seconds):
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "5", "5 m", "m", "1.5h", "30m1h", "5m5m", "-5m", "5M", "1h30", "٣s", "1" * 10 + "s"]
)
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(ValueError, match="^" + written):
        duration(written)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("512B", 512),
        ("1kB", 1000),
        ("1GB", 10**9),
        ("2TB", 2 * 10**12),
        ("8MiB", 8 << 20),
        ("1KiB", 1024),
        (4096, 4096),
    ],
)
def test_a_size_is_read_into_bytes(written, count):
    assert size(written) == count


@pytest.mark.parametrize("written", ["", "5", "8 MiB", "8mb", "8M", "MiB", "1.5GiB", "-1GB", "٣MB", "1" * 10 + "B"])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(ValueError, match="^" + written):
        size(written)
