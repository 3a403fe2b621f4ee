"""Similarity: how close a query comes to one of the queries before it.

Score: the highest cosine of the query's vector to those in the window, -1 to 1; 0 for the first of its kind; exactly 1
for an identical query. The confidence of a result is the score, or 0 where that is negative.

Only queries of one space are compared: vectors of the same length, tables with the same features. A vector of zeros
points nowhere, so that it is identical to other such vectors and not comparable with anything else.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from detectors import inputs
from detectors.blas import one_thread
from detectors.contract import Detector, Explainer, InvalidQuery, Options
from detectors.embeddings.image import embed_pictures
from detectors.embeddings.tabular import embed_rows
from detectors.embeddings.text import embed_texts
from detectors.images import pixels
from detectors.kept import RowReader, Rows, check_same, in_words, packed, unpacked
from detectors.nearest import Incident, Vectors, Window
from detectors.query import Query


class SimilarityOptions(Options, kw_only=True, frozen=True):
    """What the options of a similarity detector mean.

    threshold: cosine from which a query is flagged. max_history_size: queries that the window holds.
    max_history_bytes: memory for their vectors, about half of what is allocated at most; the window is shorter where
    they would take more. seed: of the projection by which windows of more than 50,000 queries are searched.
    """

    threshold: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.9
    max_history_size: Annotated[int, msgspec.Meta(ge=1)] = 100
    max_history_bytes: Annotated[int, msgspec.Meta(ge=1)] = 1 << 30
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of finite numbers at length 1: (n, d) to float32 (n, d); zeros stay zeros."""
    rows = np.asarray(rows, dtype=np.float64)
    # dividing by the largest first keeps the squares of huge and of tiny numbers in range
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = rows / np.where(largest > 0, largest, 1)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return (rows / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)


def _text_vectors(values: Sequence[Any]) -> list[Vectors]:
    return [(("text",), np.arange(len(values)), embed_texts(inputs.each(inputs.text_of, values)))]


def _number_vectors(values: Sequence[Any]) -> list[Vectors]:
    alike = inputs.alike_numbers(values)
    if alike is not None:
        return [(("numbers", alike.shape[1]), np.arange(len(values)), unit(alike))]
    rows = inputs.each(inputs.numbers_of, values)
    return [
        (("numbers", length), positions, unit(np.stack([rows[index] for index in positions])))
        for length, positions in _grouped(map(len, rows))
    ]


def _table_vectors(values: Sequence[Any]) -> list[Vectors]:
    rows = inputs.each(inputs.features_of, values)
    return [
        (("table", _digest(names)), positions, embed_rows([rows[index] for index in positions]))
        for names, positions in _grouped(map(tuple, rows))
    ]


def _image_vectors(values: Sequence[Any]) -> list[Vectors]:
    with one_thread():
        return [(("image",), np.arange(len(values)), embed_pictures(inputs.each(pixels, values)))]


#: by kind of input; each takes inputs of its kind and gives vectors of unit length or zero by space
VECTORS: dict[str, Callable[[Sequence[Any]], list[Vectors]]] = {
    "text": _text_vectors,
    "table": _table_vectors,
    "numbers": _number_vectors,
    "embedding": _number_vectors,
    "image": _image_vectors,
}


def _digest(names: Sequence[str]) -> bytes:
    """The names of features in few bytes, for the window to keep: they come from outside and may be long."""
    return sha256(repr(names).encode("utf-8", "surrogatepass")).digest()


def _grouped(keys: Iterable[Hashable]) -> list[tuple[Any, np.ndarray]]:
    """The different keys, each with its positions."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return [(key, np.array(positions)) for key, positions in groups.items()]


def model_vectors(vectors: Any, count: int) -> np.ndarray:
    """What a user's own model gave for `count` inputs, as rows of unit length. Raises ValueError if it is no (n, d)."""
    rows = np.asarray(vectors.toarray() if hasattr(vectors, "toarray") else vectors, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != count or not rows.size:
        raise ValueError(f"the embedding of {count} inputs has shape {rows.shape}, expected ({count}, dimensions)")
    if not np.isfinite(rows).all():
        raise ValueError("the embedding holds a number that is not finite")
    return unit(rows)


def _apart(vectors: Iterable[Vectors]) -> Iterator[Vectors]:
    """Vectors of zeros in spaces of their own, where all are equal."""
    for key, positions, rows in vectors:
        empty = ~rows.any(axis=1)
        if empty.any():
            yield (key, "zero"), positions[empty], np.ones((int(empty.sum()), 1), dtype=np.float32)
            positions, rows = positions[~empty], rows[~empty]
        if len(rows):
            yield key, positions, rows


class SimilarityDetector(Detector):
    """Flags queries that come close to an earlier one; what is compared follows from the kind of input.

    embed: takes a list of inputs and gives their vectors as an (n, d) array, in place of the built-in ones.
    """

    name = "similarity"
    options_type: ClassVar[type[Options] | None] = SimilarityOptions
    buckets = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)
    #: the kinds of input that are taken
    kinds: ClassVar[Sequence[str]] = inputs.KINDS

    def __init__(
        self, config: Mapping[str, Any] | None = None, embed: Callable[[list[Any]], Any] | None = None
    ) -> None:
        super().__init__(config)
        self._embed = embed
        self.reset_state()

    def reset_state(self) -> None:
        """Forget the queries seen so far."""
        self._window = Window(self.options.max_history_size, self.options.max_history_bytes, self.options.seed)
        self._incident: Incident | None = None

    def window_queries(self) -> int:
        """Queries in the window."""
        return len(self._window)

    def missing(self, query: Query) -> str | None:
        """Inputs that are not there, of another modality, or redacted cannot be judged."""
        return inputs.missing(query.input_data, self.kinds)

    def unfit(self, batch: Sequence[Query]) -> dict[int, str]:
        """The queries that cannot be judged, by position."""
        return inputs.unfit([query.input_data for query in batch], self.kinds)

    def score(self, batch: Sequence[Query]) -> np.ndarray:
        """Highest cosines, float64 (n,). Raises InvalidQuery for inputs that cannot be read."""
        if not batch:
            return np.zeros(0)
        vectors = self._vectors([query.input_data for query in batch])
        for _, positions, rows in vectors:
            for position, row in zip(positions.tolist(), rows, strict=True):
                batch[position].embedding = row
        scores, incident = self._window.add(len(batch), list(_apart(vectors)), self.threshold)
        self._incident = incident or self._incident
        return scores

    def _vectors(self, values: list[Any]) -> list[Vectors]:
        if self._embed is not None:
            return [("embed", np.arange(len(values)), model_vectors(self._embed(values), len(values)))]
        vectors: list[Vectors] = []
        for kind, positions in inputs.kinds(values, self.kinds).items():
            part = values if len(positions) == len(values) else [values[index] for index in positions]
            try:
                found = self._of_kind(kind, part)
            except InvalidQuery as error:
                raise error if error.index is None else error.at(positions[error.index]) from None
            where = np.array(positions)
            vectors.extend((key, where[inner], rows) for key, inner, rows in found)
        return vectors

    def _of_kind(self, kind: str, values: Sequence[Any]) -> list[Vectors]:
        return VECTORS[kind](values)

    def confidences(self, scores: Any) -> Any:
        """The scores, and 0 where they are negative."""
        return np.maximum(scores, 0.0)

    def explainer(self) -> Explainer:
        """The score and the threshold in words."""
        threshold = self.threshold
        return lambda _, score: (f"Similarity score: {score:.4f}, threshold: {threshold:.4f}.", {})

    def get_state(self, include_embedding: bool = False) -> dict[str, Any]:
        """The window and the latest flagged query: its score, and the position and vector of the closest one.

        The position is that in the window as it stood, 0 for the oldest query; the vector is a list of numbers.
        """
        incident = self._incident
        embedding = incident.closest_embedding.tolist() if incident and include_embedding else None
        return {
            "current_history_size": len(self._window),
            "threshold": self.threshold,
            "latest_incident_similarity_score": incident.score if incident else None,
            "latest_incident_closest_index": incident.closest_index if incident else None,
            "latest_incident_closest_embedding": embedding,
        }

    def _made_with(self) -> dict[str, Any]:
        """What a state must have been made with to go on here.

        The seed is not among it: rows are projected anew, and a seed that is kept secret has no place in a file.
        """
        options = self.options
        return {
            "format": "similarity 1",
            "max_history_size": options.max_history_size,
            "max_history_bytes": options.max_history_bytes,
        }

    def dump_state(self) -> dict[str, Any]:
        """The window without its rows, and the latest flagged query."""
        return {**self._made_with(), "window": self._window.dump(), "incident": _dumped(self._incident)}

    def load_state(self, state: Mapping[str, Any], read_rows: RowReader | None = None) -> None:
        """Take the window back. Raises ValueError when it is of other options, or what `read_rows` raises."""
        self.reset_state()
        check_same(state, **self._made_with())
        try:
            with in_words():
                incident = _loaded(state["incident"])
                self._window.load(state["window"], read_rows)
        except BaseException:
            self.reset_state()  # half a window is worse than none
            raise
        self._incident = incident

    def row_spaces(self) -> dict[str, Rows]:
        """The rows in the window, by the id of their space."""
        return self._window.row_spaces()

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """At most `limit` rows of a space from this number on. Raises KeyError when nothing of it is held."""
        return self._window.rows_since(space, number, limit)


def _dumped(incident: Incident | None) -> dict[str, Any] | None:
    if incident is None:
        return None
    return {"score": incident.score, "index": incident.closest_index, "vector": packed(incident.closest_embedding)}


def _loaded(incident: Any) -> Incident | None:
    if incident is None:
        return None
    vector = unpacked(incident["vector"], "<f4")
    return Incident(float(incident["score"]), int(incident["index"]), vector)


class TextSimilarityDetector(SimilarityDetector):
    """Flags texts whose wording is close to an earlier text's."""

    name = "text_similarity"
    kinds = ("text",)


class TabularSimilarityDetector(SimilarityDetector):
    """Flags rows whose features are close to those of an earlier row with the same features.

    encoder: has `transform`, which takes a list of rows, each a list of the features in the order of their names, and
    gives their vectors as an (n, d) array, in place of the built-in ones.
    """

    name = "tabular_similarity"
    kinds = ("table", "numbers")

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        embed: Callable[[list[Any]], Any] | None = None,
        encoder: Any = None,
    ) -> None:
        super().__init__(config, embed)
        self._encoder = encoder

    def _of_kind(self, kind: str, values: Sequence[Any]) -> list[Vectors]:
        if self._encoder is None:
            return _table_vectors(values)  # a list of numbers is a row whose features have positions for names
        rows = inputs.each(inputs.features_of, values)
        return [
            (("encoder", _digest(names)), positions, self._encoded([list(rows[index].values()) for index in positions]))
            for names, positions in _grouped(map(tuple, rows))
        ]

    def _encoded(self, rows: list[list[Any]]) -> np.ndarray:
        return model_vectors(self._encoder.transform(rows), len(rows))


class ImageSimilarityDetector(SimilarityDetector):
    """Flags pictures that look like an earlier one."""

    name = "image_similarity"
    kinds = ("image",)
