"""Repetition: how often the same query came lately.

Score: the number of queries in the window with the same key, this one included: 1, 2, ... The confidence of a result is
score / threshold, at most 1.

Keys, in hexadecimal:
    text    SHA-256 of the text stripped and lower-cased; a list of texts is joined by one blank
    table   SHA-256 of the features in the order of their names; 1 and 1.0 are the same, 1 and "1" are not
    numbers SHA-256 of the numbers
    image   a perceptual hash: see detectors/phash.py for what it can and cannot tell
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from detectors import inputs
from detectors.blas import one_thread
from detectors.contract import Detector, Explainer, InvalidQuery, Options
from detectors.images import pixels
from detectors.kept import check_same, in_words
from detectors.phash import phashes
from detectors.query import Query


class RepetitionOptions(Options, kw_only=True, frozen=True):
    """What the options of a repetition detector mean.

    threshold: count from which a query is flagged. max_history_size: queries that the window holds.
    window_seconds: age, by the queries' timestamps, from which queries leave the window; none by default.
    """

    threshold: Annotated[float, msgspec.Meta(ge=1)] = 5
    max_history_size: Annotated[int, msgspec.Meta(ge=1)] = 100
    window_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None


def text_keys(texts: Sequence[Any]) -> list[str]:
    """Keys of texts and lists of texts."""
    if set(map(type, texts)) != {str}:
        texts = inputs.each(inputs.text_of, texts)
    try:
        return [sha256(text.strip().lower().encode()).hexdigest() for text in texts]
    except UnicodeEncodeError:  # half a surrogate pair, as JSON may bring it
        encoded = (text.strip().lower().encode("utf-8", "surrogatepass") for text in texts)
        return [sha256(text).hexdigest() for text in encoded]


def number_keys(vectors: Sequence[Any]) -> list[str]:
    """Keys of vectors: lists of numbers, arrays and embeddings."""
    # adding 0 makes -0.0 the same as 0.0
    return [sha256((row + 0.0).astype("<f8").tobytes()).hexdigest() for row in inputs.each(inputs.numbers_of, vectors)]


def table_keys(rows: Sequence[Any]) -> list[str]:
    """Keys of rows of features; the features of a list of numbers are named by their position."""
    return [sha256(canonical_row(row)).hexdigest() for row in inputs.each(inputs.features_of, rows)]


def canonical_row(row: Mapping[str, Any]) -> bytes:
    """A row of features, in the order in which they stand, as bytes: 1 and 1.0 are the same, 1 and "1" are not."""
    whole = {
        # a whole float is written as the integer that it equals
        name: int(value) if type(value) is float and value.is_integer() else value
        for name, value in row.items()
    }
    return repr(whole).encode("utf-8", "surrogatepass")


def image_keys(pictures: Sequence[Any]) -> list[str]:
    """Keys of pictures."""
    with one_thread():
        return phashes(inputs.each(pixels, pictures))


#: by kind of input; each takes inputs of its kind
KEYS: dict[str, Callable[[Sequence[Any]], list[str]]] = {
    "text": text_keys,
    "table": table_keys,
    "numbers": number_keys,
    "embedding": number_keys,
    "image": image_keys,
}


def _seconds(timestamp: Any) -> float:
    return timestamp.timestamp() if isinstance(timestamp, datetime) else timestamp


class RepetitionDetector(Detector):
    """Flags queries that were sent too often; what counts as the same follows from the kind of input."""

    name = "repetition"
    options_type: ClassVar[type[Options] | None] = RepetitionOptions
    buckets = (1, 2, 3, 5, 10, 20, 50, 100)
    #: the key function of each kind of input that is taken
    keys: ClassVar[Mapping[str, Callable[[Sequence[Any]], list[str]]]] = KEYS

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget the queries seen so far."""
        self._window: deque[str] = deque()
        self._times: deque[float] = deque()  # of the queries in the window, where it is bounded in time
        self._now = -np.inf
        self._counts: dict[str, int] = {}

    def window_queries(self) -> int:
        """Queries in the window."""
        return len(self._window)

    def missing(self, query: Query) -> str | None:
        """Inputs that are not there, of another modality, or redacted cannot be judged."""
        return inputs.missing(query.input_data, self.keys)

    def unfit(self, batch: Sequence[Query]) -> dict[int, str]:
        """The queries that cannot be judged, by position."""
        return inputs.unfit([query.input_data for query in batch], self.keys)

    def score(self, batch: Sequence[Query]) -> np.ndarray:
        """Counts, float64 (n,). Raises InvalidQuery for inputs that cannot be read."""
        keys = self._keys_of([query.input_data for query in batch])
        for query, key in zip(batch, keys, strict=True):
            query.hash = key
        counted = self._count(keys) if self.options.window_seconds is None else self._count_timed(keys, batch)
        return np.array(counted, dtype=np.float64)

    def _keys_of(self, values: list[Any]) -> list[str]:
        keys = [""] * len(values)
        for kind, positions in inputs.kinds(values, self.keys).items():
            if len(positions) == len(values):
                return self.keys[kind](values)
            try:
                found = self.keys[kind]([values[index] for index in positions])
            except InvalidQuery as error:
                raise error if error.index is None else error.at(positions[error.index]) from None
            for position, key in zip(positions, found, strict=True):
                keys[position] = key
        return keys

    def _count(self, keys: Sequence[str]) -> list[int]:
        window, counts, counted = self._window, self._counts, []
        room = self.options.max_history_size - len(window)
        for key in keys:
            if room > 0:
                room -= 1
            elif (left := counts[oldest := window.popleft()] - 1) > 0:
                counts[oldest] = left
            else:
                del counts[oldest]
            window.append(key)
            counts[key] = count = counts.get(key, 0) + 1
            counted.append(count)
        return counted

    def _forget_oldest(self) -> None:
        key = self._window.popleft()
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]

    def _count_timed(self, keys: Sequence[str], batch: Sequence[Query]) -> list[int]:
        counted = []
        for key, query in zip(keys, batch, strict=True):
            self._now = max(self._now, _seconds(query.timestamp))  # a clock that is set back ages nothing
            while self._times and self._times[0] <= self._now - self.options.window_seconds:
                self._times.popleft()
                self._forget_oldest()
            if len(self._times) == self.options.max_history_size:
                self._times.popleft()
            self._times.append(self._now)
            counted += self._count([key])
        return counted

    def confidences(self, scores: Any) -> Any:
        """Counts as shares of the threshold, at most 1."""
        return np.minimum(scores / self.threshold, 1.0)

    def explainer(self) -> Explainer:
        """The count in words."""
        return lambda _, score: (f"Query repeated {score:.0f} times.", {})

    def get_state(self) -> dict[str, Any]:
        """The window: its size, its different queries, the count of each by key, and the highest of these counts."""
        return {
            "current_history_size": len(self._window),
            "unique_inputs": len(self._counts),
            "repetition_counts": dict(self._counts),
            "max_repetition": max(self._counts.values(), default=0),
        }

    def _made_with(self) -> dict[str, Any]:
        """What a state must have been made with to go on here."""
        options = self.options
        return {
            "format": "repetition 1",
            "max_history_size": options.max_history_size,
            "window_seconds": options.window_seconds,
        }

    def dump_state(self) -> dict[str, Any]:
        """The keys in the window, oldest first, and their times where the window is bounded in time."""
        return {
            **self._made_with(),
            "keys": list(self._window),
            "times": list(self._times),
            "now": float(self._now),
        }

    def load_state(self, state: Mapping[str, Any], read_rows: Any = None) -> None:
        """Take the window back. Raises ValueError when it is of other options."""
        self.reset_state()
        check_same(state, **self._made_with())
        with in_words():
            keys, times, now = [str(key) for key in state["keys"]], list(state["times"]), float(state["now"])
        expected = 0 if self.options.window_seconds is None else len(keys)
        if len(keys) > self.options.max_history_size or len(times) != expected:
            raise ValueError(
                f"the state has {len(keys)} keys and {len(times)} times, expected {expected} times"
                f" and at most {self.options.max_history_size} keys"
            )
        self._window.extend(keys)
        self._times.extend(times)
        self._now = now
        self._counts = dict(Counter(keys))


class TextRepetitionDetector(RepetitionDetector):
    """Flags texts that were sent too often."""

    name = "text_repetition"
    keys: ClassVar = {"text": text_keys}


class TabularRepetitionDetector(RepetitionDetector):
    """Flags rows of features that were sent too often."""

    name = "tabular_repetition"
    keys: ClassVar = {"table": table_keys, "numbers": table_keys}


class ImageRepetitionDetector(RepetitionDetector):
    """Flags pictures that were sent too often, also after small changes."""

    name = "image_repetition"
    keys: ClassVar = {"image": image_keys}
