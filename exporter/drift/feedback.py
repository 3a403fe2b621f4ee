"""What the truth was: true labels that come later, joined to what the model had predicted, and what they say of it."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, Literal

from detectors import Query
from detectors.drift.concept import PageHinkley
from detectors.drift.predictions import label_text, prediction_of
from detectors.kept import in_words

#: predictions that wait for their truth, the oldest forgotten first; and those over which the accuracy is taken
WAITING, RECENT = 20_000, 1_000
#: what became of a true label: joined to its prediction, or no prediction of that id is waiting
Told = Literal["joined", "unknown"]


class Feedback:
    """The predictions of one model that wait for their true label, and how right the last ones were."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, str] = OrderedDict()  # a dict takes long to find its first one
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self.test = PageHinkley()
        #: when a true label last came, seconds since 1970
        self.last: float | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of right predictions among the last ones of which the truth is known, 0 to 1; None without any."""
        return sum(self._recent) / len(self._recent) if self._recent else None

    def remember(self, queries: Sequence[Query]) -> None:
        """Keep what was predicted for the queries that have an id and a label in their answer."""
        waiting = self._waiting
        for query in queries:
            if query.id is not None and query.model_output is not None:
                label = prediction_of(query.model_output).label
                if label is not None:
                    waiting.pop(query.id, None)  # an id that comes again stands for its last prediction
                    waiting[query.id] = label
        while len(waiting) > WAITING:
            waiting.popitem(last=False)

    def tell(self, query_id: str, true_label: Any, time: float) -> Told:
        """Take in a true label. A prediction is joined once; labels are compared as texts of at most 64 characters.

        time: when it came, seconds since 1970.
        """
        predicted = self._waiting.pop(query_id, None)
        if predicted is None:
            return "unknown"
        is_right = predicted == label_text(true_label)
        self._recent.append(is_right)
        self.test.add(not is_right)
        self.last = time
        return "joined"

    def learn_anew(self) -> None:
        """Forget how wrong the predictions usually are: they are those of another model now."""
        self.test = PageHinkley()

    def dump(self) -> dict[str, Any]:
        """Everything, as plain values."""
        test = self.test
        return {
            "waiting": dict(self._waiting),
            "recent": list(self._recent),
            "test": [test.learned, test.wrong, test.sum],
            "last": self.last,
        }

    @classmethod
    def load(cls, state: Any) -> "Feedback":
        """The state of a dump. Raises ValueError when it is none."""
        with in_words():
            feedback = cls()
            feedback._waiting = OrderedDict(state["waiting"])
            feedback._recent.extend(state["recent"])
            feedback.test.learned, feedback.test.wrong, feedback.test.sum = state["test"]
            feedback.last = state["last"]
        return feedback
