"""The part of the past that a command is asked for."""

from argparse import ArgumentParser

import pytest

from exporter.commands.span import Span, add_span, span_of
from exporter.config.anomalies import DAY

#: 2026-08-03 12:00 UTC
NOW = 1_785_758_400.0
MIDNIGHT = NOW - DAY / 2


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("", Span(NOW - 14 * DAY, NOW)),
        ("--days 0.5", Span(MIDNIGHT, NOW)),
        ("--start 2026-08-03", Span(MIDNIGHT, NOW)),
        ("--start 2026-08-03T02:00:00+02:00 --end 2026-08-03T06:00:00Z", Span(MIDNIGHT, MIDNIGHT + DAY / 4)),
        ("--start 2026-08-01 --end 2026-08-01", Span(MIDNIGHT - 2 * DAY, MIDNIGHT - DAY)),
        ("--end 2026-08-01 --days 1", Span(MIDNIGHT - 2 * DAY, MIDNIGHT - DAY)),
        ("--end 2026-08-03", Span(NOW - 14 * DAY, NOW)),
        ("--start 2026-08-03T00:00:00 --end 2030-01-01", Span(MIDNIGHT, NOW)),
    ],
)
def test_it_is_days_up_to_now_or_from_a_start_to_an_end(asked: str, span: Span) -> None:
    parser = ArgumentParser()
    add_span(parser)
    assert span_of(parser.parse_args(asked.split()), NOW) == span


def test_it_knows_how_long_it_is() -> None:
    assert Span(0.0, 1.5 * DAY).days == 1.5
