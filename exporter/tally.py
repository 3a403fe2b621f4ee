"""One detector of one model, and what was counted of it."""

import logging
from collections import Counter
from collections.abc import Sequence
from copy import copy
from hashlib import sha256
from typing import Any

import numpy as np

from detectors import Query
from detectors.kept import RowReader
from exporter.config import ResolvedDetector

log = logging.getLogger(__name__)

SKIP_REASONS = ("no_probabilities", "no_input", "other_modality", "redacted", "not_applicable")
ERROR_REASONS = ("exception", "invalid_input", "not_finite")


def digest(value: Any) -> str:
    """What tells whether options are still the same."""
    return sha256(repr(value).encode()).hexdigest()


class Tally:
    """A detector of a model and what was counted of it. Scores are counted in the detector's buckets, +Inf last."""

    def __init__(self, config: ResolvedDetector, detector: Any) -> None:
        self.name, self.config, self.detector = config.name, config, detector
        self.bounds = np.array(detector.buckets, dtype=np.float64)
        self.judgements = self.flags = 0
        self.skipped: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.scores = np.zeros(len(self.bounds) + 1, np.int64)
        self.score_sum = 0.0
        #: per bucket, the last query in it that has an id: (id, score, time)
        self.exemplars: list[tuple[str, float, float] | None] = [None] * (len(self.bounds) + 1)

    def snapshot(self) -> "Tally":
        """The counts as they are now, safe to read while judging goes on."""
        taken = copy(self)
        taken.skipped, taken.errors = Counter(self.skipped), Counter(self.errors)
        taken.scores, taken.exemplars = self.scores.copy(), list(self.exemplars)
        return taken

    def dump(self) -> dict[str, Any]:
        """What a restart continues: counts that a replay repeats, and the detector's own state."""
        return {
            "name": self.name,
            "options": digest(self.config.options),
            "judgements": self.judgements,
            "flags": self.flags,
            "skipped": dict(self.skipped),
            "detector": self.detector.dump_state(),
            "rows": bool(self.detector.row_spaces()),
        }

    def load(self, state: dict[str, Any], read_rows: RowReader) -> bool:
        """Go on from a dump; False when the window begins anew, because the detector is or says another."""
        self.judgements, self.flags = state["judgements"], state["flags"]
        self.skipped = Counter(state["skipped"])
        if state["options"] != digest(self.config.options):
            return False
        if state["detector"] is None:
            return not self.judgements
        reader = {"read_rows": read_rows} if state["rows"] else {}
        try:
            self.detector.load_state(state["detector"], **reader)
        except Exception as error:  # of another version, or damaged
            log.warning("a detector begins anew", extra={"detector": self.name, "reason": str(error)})
            self.detector.reset_state()
            return False
        return True

    def observe_anew(self) -> None:
        """Forget scores, exemplars and errors, which no restart continues."""
        self.errors.clear()
        self.scores[:] = 0
        self.score_sum = 0.0
        self.exemplars = [None] * len(self.exemplars)

    def observe(self, observed: np.ndarray, total: float, queries: Sequence[Query]) -> None:
        """Count the scores, whose sum is `total`, in their buckets."""
        places = np.searchsorted(self.bounds, observed, side="left")
        self.scores += np.bincount(places, minlength=len(self.scores))
        self.score_sum += total
        named = [index for index, query in enumerate(queries) if query.id is not None]
        if named:
            last = dict(zip(places[named].tolist(), named, strict=True))
            for place, index in last.items():
                query = queries[index]
                self.exemplars[place] = (str(query.id), float(observed[index]), query.timestamp)
