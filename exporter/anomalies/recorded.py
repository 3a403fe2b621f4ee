"""Incidents as rows of the history: one when an incident has ended, and one more when people said what it was."""

from collections.abc import Callable

from exporter.anomalies.anomaly import Anomaly
from exporter.history.recorder import Recorder
from exporter.history.rows import Anomaly as AnomalyRow


def recording(recorder: Recorder) -> Callable[[Anomaly], None]:
    """What the log tells of each change. One that lasts is not recorded yet: its worst point may be still to come."""

    def record(anomaly: Anomaly) -> None:
        if anomaly.ended_at is not None:
            recorder.add("anomalies", _row(anomaly))

    return record


def _row(anomaly: Anomaly) -> AnomalyRow:
    same = set(AnomalyRow.__struct_fields__) & set(Anomaly.__struct_fields__)
    return AnomalyRow(**{name: getattr(anomaly, name) for name in same})
