"""What of a query is looked at for drift: its features by name, and a vector where it is no row of features."""

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from detectors import InvalidQuery, Query
from detectors.blas import one_thread
from detectors.drift.embedding import folded
from detectors.drift.predictions import Prediction, prediction_of
from detectors.drift.samples import MISSING
from detectors.embeddings.image import embed_pictures
from detectors.embeddings.text import embed_texts
from detectors.images import pixels, stacks
from detectors.inputs import is_redacted, kind_of, numbers_of, text_of

#: features of a row that are looked at, in the order in which they first came; longer lists of numbers are vectors
FEATURES = 200
#: characters of a text that are looked at, half of them at its end (many begin alike), and of a category
TEXT_CHARACTERS, CATEGORY_CHARACTERS = 1_000, 64
#: numbers beyond this count as this: their squares would be beyond every float
LARGEST = 1e150
#: features that every query can have, besides those of its input
LABEL, CONFIDENCE = "prediction.label", "prediction.confidence"
ANSWER_LENGTH, INPUT_LENGTH = "prediction.characters", "input.characters"
BRIGHTNESS, CONTRAST = "input.brightness", "input.contrast"
OTHERS = (LABEL, CONFIDENCE, ANSWER_LENGTH, INPUT_LENGTH, BRIGHTNESS, CONTRAST)
_NUMBERS, _WORDS = frozenset({float, int, type(None)}), frozenset({str, bool, type(None)})
_POSITIONS = tuple(map(str, range(FEATURES)))


class Columns(NamedTuple):
    """Features of some of the queries of a batch: which, the names, values and kinds, as a `Sample` has them."""

    positions: list[int]
    names: tuple[str, ...]
    values: np.ndarray
    numeric: np.ndarray


def pictures_of(queries: Sequence[Query]) -> dict[int, np.ndarray]:
    """The pictures among the inputs by position, as `images.pixels` gives them; those that can be read."""
    found = {}
    for position, query in enumerate(queries):
        if kind_of(query.input_data) == "image":
            with suppress(InvalidQuery):  # the detectors say so
                found[position] = pixels(query.input_data)
    return found


def columns_of(queries: Sequence[Query], pictures: Mapping[int, np.ndarray]) -> Iterator[Columns]:
    """The features of a batch: those of rows of the same features together, then those that `OTHERS` names."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for position, query in enumerate(queries):
        if names := _names(query.input_data):
            rows.setdefault(names, []).append(position)
    for names, positions in rows.items():
        kept = names[:FEATURES]
        values, numeric = _coded_rows([_row(queries[position].input_data, len(kept)) for position in positions])
        yield Columns(positions, tuple(map(str, kept)), values, numeric)
    light = dict(zip(pictures, lights_of(list(pictures.values())), strict=True))
    others = [_others(query, light.get(position, _NO_LIGHT)) for position, query in enumerate(queries)]
    held = [place for place in range(len(OTHERS)) if any(row[place] is not None for row in others)]
    if held:
        values, numeric = _coded_rows([[row[place] for place in held] for row in others])
        yield Columns(list(range(len(queries))), tuple(OTHERS[place] for place in held), values, numeric)


def _names(value: Any) -> tuple[Any, ...]:
    """The names of the features of a row; none when the input is no row, or one that is looked at as a vector."""
    if type(value) is dict and kind_of(value) == "table":
        return tuple(value)
    kind = kind_of(value)
    if kind == "table":
        return tuple(value.keys())
    return _POSITIONS[: len(value)] if kind == "numbers" and len(value) <= FEATURES else ()


def _row(value: Any, features: int) -> list[Any]:
    values = value if isinstance(value, (list, tuple, np.ndarray)) else value.values()
    values = values() if callable(values) else values
    return list(islice(values, features))


def _coded_rows(rows: Sequence[Sequence[Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length as values and kinds, column by column: most hold one type only."""
    shape = len(rows), len(rows[0])
    values, numeric = np.empty(shape), np.empty(shape, bool)
    for place, column in enumerate(zip(*rows, strict=True)):
        values[:, place], numeric[:, place] = _coded_column(column)
    return values, numeric


def _coded_column(column: Sequence[Any]) -> tuple[Any, Any]:
    """What `coded` says of each value: numbers together, and each word once."""
    kinds = set(map(type, column))
    if kinds <= _NUMBERS:
        held: Any = True if type(None) not in kinds else np.array([value is not None for value in column])
        numbers = column if held is True else [0.0 if value is None else value for value in column]
        if math.isfinite(sum(numbers)):
            return np.where(held, np.clip(np.array(numbers, np.float64), -LARGEST, LARGEST), MISSING), held
    elif kinds <= _WORDS:
        codes = {word: coded(word)[0] for word in set(column)}
        return [codes[word] for word in column], False
    values, numeric = zip(*map(coded, column), strict=True)
    return values, numeric


def _others(query: Query, light: tuple[float | None, float | None]) -> tuple[Any, ...]:
    """What `OTHERS` names; None where the query does not have it."""
    output, value = query.model_output, query.input_data
    prediction = prediction_of(output) if output is not None else Prediction()
    answer = output.get("text") if isinstance(output, Mapping) else None
    return (
        _predicted(output, prediction),
        prediction.confidence,
        len(answer) if isinstance(answer, str) else None,
        len(value) if isinstance(value, str) and not is_redacted(value) else None,
        *light,
    )


def _predicted(output: Any, prediction: Prediction) -> str | float | None:
    """What was predicted: a number where the answer is one, as of a regression, which moves as numbers do."""
    value = output.get("label") if isinstance(output, Mapping) else output
    return value if type(value) is float or type(value) is int else prediction.label


_NO_LIGHT = (None, None)


def lights_of(pictures: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """Mean and standard deviation of all numbers of each picture, 0 to 1 in scale, to six decimals."""
    found = np.zeros((len(pictures), 2))
    for positions, numbers, one in stacks(pictures):
        flat = numbers.reshape(len(positions), -1)
        means = flat.mean(axis=1)
        flat -= means[:, None]
        found[positions, 0] = means / one
        found[positions, 1] = np.sqrt(np.einsum("ij,ij->i", flat, flat) / flat.shape[1]) / one
    # sums of short floats differ in the seventh digit: equal pictures must have equal numbers
    return [(mean, spread) for mean, spread in np.round(found, 6).tolist()]


def coded(value: Any) -> tuple[float, bool]:
    """A value as a number, and whether it is one; else the number is the code of its category."""
    if value is None:
        return MISSING, False
    kind = type(value)
    if kind is float or kind is int:
        number = float(value)  # whole numbers are bounded to 64 bits at intake
        return (min(max(number, -LARGEST), LARGEST), True) if math.isfinite(number) else (MISSING, False)
    if kind is str or kind is bool:
        return float(zlib.crc32(str(value)[:CATEGORY_CHARACTERS].encode("utf-8", "surrogatepass"))), False
    return coded(value.item() if isinstance(value, np.generic) else str(value))


def text_of_query(query: Query) -> str | None:
    """The beginning and the end of a query's text, as it is compared; None when it has none, or a redacted one."""
    value = query.input_data
    if kind_of(value) != "text" or is_redacted(value):
        return None
    text = text_of(value)
    return text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS // 2] + text[-TEXT_CHARACTERS // 2 :]


def vectors_of_texts(texts: Sequence[str]) -> np.ndarray:
    """float32 (n, 128)."""
    return folded(embed_texts(texts))


def vectors_of_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """float32 (n, 128)."""
    with one_thread():
        return folded(embed_pictures(pictures))


def vector_of(query: Query) -> np.ndarray | None:
    """The vector of an embedding or a long list of numbers, float32 (at most 128,); None of others."""
    value, kind = query.input_data, kind_of(query.input_data)
    if kind != "embedding" and not (kind == "numbers" and len(value) > FEATURES):
        return None
    try:
        row = numbers_of(value)
    except InvalidQuery:  # the detectors say so
        return None
    length = float(np.linalg.norm(row))
    return np.asarray(folded(row[None] / length if 0 < length < np.inf else row[None])[0])
