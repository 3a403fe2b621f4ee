"""What the judging of a series depends on, besides the series itself."""

from typing import Annotated, Literal

import msgspec

Algorithm = Literal["learned", "zscore", "robust_zscore", "isolation_forest"]
Direction = Literal["both", "up", "down"]
SeasonChoice = Literal["auto", "daily", "weekly", "none"]


class SeriesOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the options of a learned series mean.

    algorithm: what judges: `learned` (the default: several components), or one simple rule.
    direction: which deviations count; with `up`, a value that is not above the expected one scores 0.
    min_deviation, min_deviation_ratio: what differs by less from the expected value scores 0; in the unit of the
    series, and as a share of the expected value. Either must be exceeded by what is to score.
    season: the period of the expected value; `auto` takes what predicts the past best.
    time_zone: in whose days and weeks the season runs, an IANA name.
    hold_points: points after an incident's highest score in which only a higher one is an incident of its own.
    """

    algorithm: Algorithm = "learned"
    direction: Direction = "both"
    min_deviation: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    min_deviation_ratio: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    season: SeasonChoice = "auto"
    time_zone: str = "UTC"
    hold_points: Annotated[int, msgspec.Meta(ge=0)] = 100
