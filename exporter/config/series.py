"""The section `anomalies` of the file: how series are judged."""

from typing import Annotated, Any

import msgspec

from detectors.series import SeriesOptions
from detectors.series.options import Algorithm, Direction, SeasonChoice
from detectors.series.season import utc_offset
from exporter.config.records import Form, Record


def _zone(value: Any) -> Any:
    if isinstance(value, str):
        utc_offset(0, value)  # raises ValueError for a zone that does not exist
    return value


Deviation = Annotated[float, msgspec.Meta(ge=0), Form("a number of at least 0")]
Points = Annotated[int, msgspec.Meta(ge=0), Form("a whole number of at least 0")]
TimeZone = Annotated[str, Form("the name of a time zone such as Europe/Berlin", _zone)]


class Anomalies(Record, frozen=True, kw_only=True):
    """How series are judged where nothing nearer says otherwise."""

    algorithm: Algorithm = "learned"
    direction: Direction = "both"
    min_deviation: Deviation = 0.0
    min_deviation_ratio: Deviation = 0.0
    season: SeasonChoice = "auto"
    time_zone: TimeZone = "UTC"
    hold_points: Points = 100

    def series_options(self) -> SeriesOptions:
        """The same as the detectors take it."""
        return SeriesOptions(**msgspec.structs.asdict(self))
