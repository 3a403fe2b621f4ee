"""Queries of one model as points: near in distance where the queries are near.

A layout is learned from a model's first queries and then fixed. It says what is compared (the kind of input that most
of them are, the shape of a picture, the features of a table) and how it becomes a point:

    text       512 hashed counts of character 3- and 4-grams, at length 1 (detectors/embeddings/text.py)
    table      each number in units of its spread, around its median; a text, true, false or null as four signs
    numbers    the same, by position
    embedding  the numbers as they are
    image      the pixels, 0 to 1; a picture of another shape is resampled to the most frequent one

Points are turned by a secret rotation; those of more than 256 numbers are projected to 256, which keeps distances
within about 4 % (one standard deviation; Johnson & Lindenstrauss 1984). They are whole numbers, in units of the median
distance between neighbours ÷ 512, and all sums are sums of whole numbers that a float holds exactly. So a point does
not depend on the other queries of its batch, and whoever does not know the secret cannot search for what it hides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from detectors import inputs
from detectors.blas import one_thread
from detectors.canonical import canonical_text
from detectors.contract import InvalidQuery
from detectors.embeddings.text import embed_texts
from detectors.images import area_weights, pixels
from detectors.kept import packed, unpacked

#: numbers of a point at most
WIDEST = 256
#: numbers of an input that are turned; longer ones are folded to so many first
LONGEST = 12_288
#: units of a point in the median distance between neighbours
RESOLUTION = 512
#: whole numbers that stand for 1.0 of a pixel or of a text's vector, and for one spread of a feature
FINE, SPREAD_FINE = 1 << 16, 1 << 10
#: entries of the rotation are whole numbers up to about this
TURN = 1 << 12
#: the largest number of a point
LARGEST = 32_000
#: values of a feature beyond so many spreads from its median count as that far
FARTHEST = 1_000.0
#: signs that stand for a value that is no number; a change of it is as far as a change by one spread
SIGNS = 4


class Layout:
    """What is compared and how it becomes numbers, before the rotation.

    kind: one of inputs.KINDS. shape: height, width, channels of pictures; the length of numbers and embeddings.
    names: features of a table. centre, spread: of each feature.
    """

    def __init__(self, kind: str, shape: tuple[int, ...], names: tuple[str, ...] = ()) -> None:
        self.kind, self.shape, self.names = kind, shape, names
        self.centre = self.spread = np.zeros(0)

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Layout":
        """The layout of most of these inputs. Raises ValueError when none of them can be compared."""
        forms = Counter(form for value in values if (form := _form(value)) is not None)
        if not forms:
            raise ValueError("none of the inputs can be read")
        kind = Counter({one: sum(n for form, n in forms.items() if form[0] == one) for one in inputs.KINDS})
        layout = cls(*next(form for form, _ in forms.most_common() if form[0] == kind.most_common(1)[0][0]))
        if layout.kind in ("table", "numbers"):
            layout._learn([value for value in values if layout._fits(value)])
        return layout

    def _learn(self, values: Sequence[Any]) -> None:
        """Median and spread of each feature, from the middle 80 % of its values: outliers do not move them."""
        columns = self._columns(values)
        self.centre = np.median(columns, axis=0)
        low, high = np.quantile(columns, (0.1, 0.9), axis=0)
        spread = (high - low) / 2.563  # of a normal distribution, this is its standard deviation
        seldom = columns.std(axis=0)  # a feature that is nearly always the same
        spread = np.where(spread > 0, spread, seldom)
        self.spread = np.where(spread > 0, spread, np.maximum(np.abs(self.centre), 1.0))

    def numbers(self, values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Whole numbers, float64 (m, d), of the m inputs that fit this layout, and which these are, int (m,)."""
        fitting = np.array([index for index, value in enumerate(values) if self._fits(value)], dtype=np.int64)
        if not len(fitting):
            return np.zeros((0, self.dimensions)), fitting
        taken = [values[index] for index in fitting]
        return getattr(self, f"_of_{self.kind}")(taken), fitting

    @property
    def dimensions(self) -> int:
        """Numbers of a row."""
        if self.kind == "table":
            return (1 + SIGNS) * len(self.names)
        return {"text": 512, "image": int(np.prod(self.shape))}.get(self.kind, int(np.prod(self.shape)))

    def _fits(self, value: Any) -> bool:
        if inputs.kind_of(value) != self.kind:
            return False
        if self.kind in ("text", "image"):
            return True
        form = _form(value)
        return form is not None and form[1:] == (self.shape, self.names)

    def _of_text(self, values: Sequence[Any]) -> np.ndarray:
        return np.rint(embed_texts([canonical_text(value) for value in values]).astype(np.float64) * FINE)

    def _of_image(self, values: Sequence[Any]) -> np.ndarray:
        rows = np.empty((len(values), int(np.prod(self.shape))))
        for row, value in zip(rows, values, strict=True):
            row[:] = _resampled(pixels(value), self.shape).reshape(-1)
        return np.rint(np.clip(rows, -16, 16) * FINE)

    def _of_embedding(self, values: Sequence[Any]) -> np.ndarray:
        rows = np.stack([inputs.numbers_of(value) for value in values])
        return np.rint(np.clip(rows, -1e4, 1e4) * FINE)

    def _of_numbers(self, values: Sequence[Any]) -> np.ndarray:
        return self._in_spreads(self._columns(values))

    def _of_table(self, values: Sequence[Any]) -> np.ndarray:
        signs = np.array([[_signs(row[name]) for name in self.names] for row in map(inputs.features_of, values)])
        numbers = self._in_spreads(self._columns(values))
        return np.concatenate([numbers, signs.reshape(len(values), -1)], axis=1)

    def _columns(self, values: Sequence[Any]) -> np.ndarray:
        if self.kind == "numbers":
            return np.stack([inputs.numbers_of(value) for value in values])
        rows = map(inputs.features_of, values)
        return np.array([[_number(row[name]) for name in self.names] for row in rows])

    def _in_spreads(self, columns: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.rint(np.clip((columns - self.centre) / self.spread, -FARTHEST, FARTHEST) * SPREAD_FINE)

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "kind": self.kind,
            "shape": list(self.shape),
            "names": list(self.names),
            "centre": packed(self.centre),
            "spread": packed(self.spread),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Layout":
        """The layout that `dump` made this of."""
        layout = cls(state["kind"], tuple(state["shape"]), tuple(state["names"]))
        layout.centre, layout.spread = unpacked(state["centre"], "<f8"), unpacked(state["spread"], "<f8")
        return layout


def _form(value: Any) -> tuple[str, tuple[int, ...], tuple[str, ...]] | None:
    """Kind, shape and features of an input; None where it cannot be read."""
    kind = inputs.kind_of(value)
    try:
        if kind == "text":
            return kind, (), ()
        if kind == "image":
            return kind, pixels(value).shape, ()
        if kind in ("numbers", "embedding"):
            return kind, (len(value["embedding"] if kind == "embedding" else value),), ()
        return None if kind is None else (kind, (), tuple(inputs.features_of(value)))
    except InvalidQuery:
        return None


def _number(value: Any) -> float:
    """A number as such, everything else as 0."""
    return float(min(max(value, -1e300), 1e300)) if type(value) in (int, float) else 0.0


def _signs(value: Any) -> Sequence[float]:
    """Four signs of a value that is no number, zeros for one that is."""
    if type(value) in (int, float):
        return (0.0,) * SIGNS
    digest = blake2b(f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass"), digest_size=1).digest()[0]
    size = SPREAD_FINE / np.sqrt(2 * SIGNS)
    return [float(np.rint(size if digest >> bit & 1 else -size)) for bit in range(SIGNS)]


def _resampled(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """float64 pixels, 0 to 1 in scale, of a picture in this shape (height, width, channels)."""
    scale = 255.0 if picture.dtype == np.uint8 else 1.0
    picture = picture.astype(np.float64) / scale
    if picture.shape == shape:
        return picture
    height, width, channels = shape
    if picture.shape[2] != channels:
        grey = picture.mean(axis=2, keepdims=True)
        picture = np.repeat(grey, channels, axis=2)
    down, across = area_weights(picture.shape[0], height), area_weights(picture.shape[1], width)
    return np.einsum("hi,ijc,wj->hwc", down, picture, across)


class Points:
    """Points of one layout: turned, projected where they are long, and in whole units.

    seed: secret numbers of the rotation. sample: numbers of some inputs, as the layout gives them; the unit is made
    so that half of them have a neighbour nearer than RESOLUTION units.
    """

    def __init__(self, layout: Layout, seed: int, centre: np.ndarray, unit: float) -> None:
        self.layout, self.seed, self.centre, self.unit = layout, seed, centre, unit
        self.dimensions = min(layout.dimensions, WIDEST)
        self._turn = rotation(min(layout.dimensions, LONGEST), self.dimensions, seed)

    @classmethod
    def of(cls, layout: Layout, sample: np.ndarray, seed: int) -> "Points":
        """Points whose unit is learned from float64 (n, d), n at least 2."""
        points = cls(layout, seed, np.zeros(min(layout.dimensions, WIDEST)), 1.0)
        turned = points._turned(sample)
        points.centre = np.rint(np.median(turned, axis=0))
        turned -= points.centre
        # whole numbers of 20 bits: squares of their distances are exact, so that equal inputs are at distance 0
        scale = max(float(np.abs(turned).max()) / (1 << 20), 1.0)
        distances = neighbours(np.rint(turned / scale)) * scale
        distances = distances[np.isfinite(distances)]
        points.unit = max(float(np.median(distances)) / RESOLUTION, 1.0) if distances.size else 1.0
        return points

    def of_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """int16 (n, dimensions) of what the layout gives."""
        return np.clip(np.rint((self._turned(numbers) - self.centre) / self.unit), -LARGEST, LARGEST).astype(np.int16)

    def _turned(self, numbers: np.ndarray) -> np.ndarray:
        with one_thread():  # sums of whole numbers below 2^53: exact, in whatever order
            return _folded(numbers, self.seed) @ self._turn

    def dump(self) -> dict[str, Any]:
        """As plain values; without the secret."""
        return {"layout": self.layout.dump(), "centre": packed(self.centre), "unit": self.unit}

    @classmethod
    def load(cls, state: Mapping[str, Any], seed: int) -> "Points":
        """The points that `dump` made this of, with the same secret."""
        return cls(Layout.load(state["layout"]), seed, unpacked(state["centre"], "<f8"), float(state["unit"]))


def _folded(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Rows longer than LONGEST as the sum of their parts, with random signs: distances stay, on average."""
    length = numbers.shape[1]
    if length <= LONGEST:
        return numbers
    signs = np.random.default_rng((seed, length)).choice(np.array([-1.0, 1.0]), length)
    folded = np.zeros((len(numbers), LONGEST))
    for start in range(0, length, LONGEST):
        part = numbers[:, start : start + LONGEST] * signs[start : start + LONGEST]
        folded[:, : part.shape[1]] += part
    return folded


def rotation(dimensions: int, kept: int, seed: int) -> np.ndarray:
    """Whole numbers, float64 (dimensions, kept): directions at right angles, of which each is about TURN long.

    The lengths are such that distances stay what they are, times TURN, on average.
    """
    gaussian = np.random.default_rng(seed).standard_normal((dimensions, kept))
    with one_thread():
        directions = np.linalg.qr(gaussian)[0]
    return np.rint(directions * np.sqrt(dimensions / kept) * TURN)


def neighbours(rows: np.ndarray) -> np.ndarray:
    """The distance of each row to the nearest one that differs: float64 (n, d) to float64 (n,); inf where none does."""
    squares = squared_distances(rows, rows)
    squares[squares <= 0] = np.inf
    return np.sqrt(squares.min(axis=1))


def squared_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, float64 (n, m). Exact for whole numbers whose squares sum to less than 2^52."""
    with one_thread():
        products = rows @ others.T
    mine, theirs = (np.einsum("ij,ij->i", each, each) for each in (rows, others))
    return np.asarray(mine)[:, None] + theirs - 2 * products
