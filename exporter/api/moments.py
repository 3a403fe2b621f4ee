"""Times and values as the interface for series reads and writes them."""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Path
from pydantic import BeforeValidator, Field

from exporter.config.units import duration

#: `id` in the path
Identifier = Annotated[str, Path(alias="id")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _seconds_of(value: Any) -> Any:
    """Seconds from a text such as 5m or 300."""
    if not isinstance(value, str):
        return value
    try:
        return duration(f"{value}s" if value.isdecimal() else value)
    except ValueError:
        return value  # a number such as 0.5; what is none is told by its type


def whole_day(value: Any) -> Any:
    """A bare date as an end includes that day."""
    is_date = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)
    return f"{value}T23:59:59.999999Z" if is_date else value


#: float seconds above 0, written as a number or as Prometheus writes durations
Duration = Annotated[Finite, BeforeValidator(_seconds_of, json_schema_input_type=float | str), Field(gt=0)]
End = Annotated[datetime | None, BeforeValidator(whole_day)]


def seconds(moment: datetime | float | None, otherwise: float) -> float:
    """Seconds since 1970; a time without a zone is in UTC."""
    if moment is None:
        return otherwise
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment)


def written(seconds: float) -> str:
    """A time in UTC, from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def finite(value: Any) -> Any:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else msgspec.to_builtins(value)
