"""Learned normal of time series: what is expected, how odd a value is, and why. Plain arrays in, plain arrays out.

One `Baseline` for each series: `learn` from a history, `judge` what comes, `explain` a point, and learn anew each
night. `walk` does the same over a recorded series. `Group` joins several series, `ContextBaseline` knows events,
`notifications` is the alert rule as a function.
"""

from detectors.series.alarm import in_alarm, notifications
from detectors.series.baseline import Baseline
from detectors.series.contexts import ContextBaseline
from detectors.series.explanation import Explanation, explain
from detectors.series.group import Group, GroupJudgement
from detectors.series.hold import Hold, incident_scores
from detectors.series.judgement import Judgement
from detectors.series.options import SeriesOptions
from detectors.series.severity import severity
from detectors.series.together import judge_together
from detectors.series.walk import walk, walked

__all__ = [
    "Baseline",
    "ContextBaseline",
    "Explanation",
    "Group",
    "GroupJudgement",
    "Hold",
    "Judgement",
    "SeriesOptions",
    "explain",
    "in_alarm",
    "incident_scores",
    "judge_together",
    "notifications",
    "severity",
    "walk",
    "walked",
]
