"""One series of a query: what it learned, its last judgement, its incident, and its course at a coarser step."""

import math
from collections.abc import Mapping

from detectors.series import Baseline, Explanation, Judgement, explain
from exporter.anomalies.alarm import Alarm, Change
from exporter.anomalies.blocks import Labels, Points
from exporter.anomalies.course import Course, Judged
from exporter.config.anomalies import ResolvedQuery

#: the baseline of the ordinary time, as opposed to those of contexts
ORDINARY = ""


class WatchedSeries:
    """State of one series. baselines: by context; the ordinary one is always among them.

    window: seconds that one of its points looks back on.
    """

    def __init__(
        self,
        identifier: str,
        labels: Labels,
        baselines: Mapping[str, Baseline],
        known_until: float,
        window: float = 0.0,
    ) -> None:
        self.id, self.labels = identifier, labels
        self.baselines = dict(baselines)
        #: the last point that the baselines know of
        self.known_until = known_until
        #: when its points began again after the last gap
        self.gap_ended = -math.inf
        self.residuals: Points | None = None
        self.alarm = Alarm(window)
        self.last: Judged | None = None
        self.shares: dict[str, float] = {}
        #: the id of the record of its incident, and its worst point
        self.incident: str | None = None
        self.worst = -math.inf
        self.course = Course()

    @property
    def ordinary(self) -> Baseline:
        """What it learned of ordinary times."""
        return self.baselines[ORDINARY]

    def baseline(self, context: str) -> Baseline:
        """What it learned of this context; of ordinary times where it is too rare for that."""
        return self.baselines.get(context) or self.ordinary

    def take(self, point: Judged, query: ResolvedQuery) -> Change | None:
        """Take in a judged point; whether an incident opened or closed by it."""
        self.last = point
        is_odd = query.severity.of(point.score) is not None
        return self.alarm.step(point.time, is_odd, is_known=math.isfinite(point.value))

    def is_seen(self, now: float, silence: float) -> bool:
        """Whether its last point is recent: a frozen gauge would be scraped as fresh. None is, after the clock was set
        back far behind it."""
        return self.last is not None and abs(now - self.last.time) <= silence


def judged(judgement: Judgement, index: int, time: float, value: float) -> Judged:
    """One point of a judgement."""
    score, expected, lower, upper = (
        float(getattr(judgement, name)[index]) for name in ("score", "expected", "lower", "upper")
    )
    return Judged(time, value, score, expected, lower, upper)


def explained(judgement: Judgement, index: int, value: float) -> Explanation | None:
    """Why; None for a point without a score."""
    return explain(judgement, index, value) if judgement.score[index] >= 0 else None
