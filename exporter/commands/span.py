"""The part of the past that a command is asked for: `--days` up to now, or `--start` and `--end`."""

import argparse
import re
from datetime import UTC, datetime
from typing import NamedTuple

from exporter.commands import Usage

DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
#: seconds of a day, and how many of them where nothing is said
DAY, DAYS = 86_400.0, 14.0


class Span(NamedTuple):
    """From when until when, in seconds since 1970."""

    start: float
    end: float

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.end - self.start) / DAY


def add_span(command: argparse.ArgumentParser, of: str = "") -> None:
    """Add the options. of: what they belong to, in the help."""
    command.add_argument("--days", type=days, metavar="N", help=f"{of}how far back; default: {DAYS:g}")
    command.add_argument("--start", type=time, metavar="TIME", help=f"{of}instead of --days: RFC 3339 time, or date")
    command.add_argument(
        "--end", type=end_time, metavar="TIME", help=f"{of}RFC 3339 time, or the last day; default: now"
    )


def span_of(options: argparse.Namespace, latest: float) -> Span:
    """What was asked for, up to `latest` at most. Raises Usage."""
    if options.days is not None and options.start is not None:
        raise Usage("expected --days or --start, not both")
    end = latest if options.end is None else min(options.end, latest)
    start = end - (options.days or DAYS) * DAY if options.start is None else options.start
    if start >= end:
        raise Usage("--start: expected a time in the past, before --end")
    return Span(start, end)


def days(text: str) -> float:
    """Days above 0. Raises what argparse expects."""
    try:
        if (number := float(text)) > 0 and number < 3660:
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no number of days")


def time(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time or a date, in UTC without a zone. Raises what argparse expects."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-08-03T12:00:00Z, and no date such as 2026-08-03"
        ) from None


def end_time(text: str) -> float:
    """The same of an end: a date includes that day."""
    return time(text) + (DAY if DATE.fullmatch(text) else 0.0)
