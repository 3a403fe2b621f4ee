"""A judged series as a picture: value, band, and where incidents begin."""

from datetime import UTC, datetime

import numpy as np

from detectors.series import Judgement

#: incidents are marked from the alert line on
LINE = 1.0
VALUE, BAND, INCIDENT = "#1f4e79", "#9ec5e8", "#c62828"


def plot(path: str, times: np.ndarray, values: np.ndarray, judgement: Judgement, incident_scores: np.ndarray) -> None:
    """Write a PNG of a series, of which the last points are judged.

    times: seconds since 1970, values: float64 (n,). judgement, incident_scores: of the last m <= n points.
    Raises ImportError without matplotlib, and OSError when the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stamps = np.array([datetime.fromtimestamp(time, UTC) for time in times.tolist()])
    judged = stamps[len(stamps) - len(incident_scores) :]
    figure = Figure(figsize=(14, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.fill_between(judged, judgement.lower, judgement.upper, color=BAND, label="95 % of values", linewidth=0)
    upper.plot(stamps, values, color=VALUE, linewidth=0.8, label="value")
    found = incident_scores >= LINE
    upper.plot(judged[found], values[len(values) - len(found) :][found], "o", color=INCIDENT, label="incident")
    upper.legend(loc="upper left")
    lower.plot(judged, judgement.score, color=VALUE, linewidth=0.8)
    lower.axhline(LINE, color=INCIDENT, linewidth=0.8)
    lower.set_ylabel("score")
    figure.savefig(path, format="png", dpi=100)
