"""A sample of queries as columns, and the tests of one sample against another."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from detectors.drift import categorical, numeric
from detectors.drift.decision import MINIMUM, Finding
from detectors.drift.embedding import held_out_scores

#: the name under which vectors of texts, pictures and long rows are tested
EMBEDDING = "input.embedding"
#: a column of numbers with this many different ones, or fewer, is one of categories
CATEGORIES = 10
#: the code of a value that is not there
MISSING = -1.0


class Sample(NamedTuple):
    """Rows of features, and of vectors.

    names: of the columns. values: float64 (n, k), a number, or the code of a category. numeric: bool (n, k), which of
    them are numbers. vectors: float (m, d), m = 0 without any.
    """

    names: tuple[str, ...]
    values: np.ndarray
    numeric: np.ndarray
    vectors: np.ndarray


class Column:
    """One feature of a sample, sorted once: its numbers, and the codes of all that is no number."""

    __slots__ = ("distinct", "numbers", "others")

    def __init__(self, numbers: np.ndarray, others: np.ndarray) -> None:
        self.numbers, self.others = numbers, others
        self.distinct = int(np.count_nonzero(np.diff(numbers))) + 1 if len(numbers) else 0

    def codes(self, *, apart: bool) -> np.ndarray:
        """All values as categories. apart: what is no number beside the axis of the numbers, complex128."""
        return np.concatenate([self.numbers, self.others + 1j if apart else self.others])

    def __len__(self) -> int:
        return len(self.numbers) + len(self.others)


class Sorted:
    """A sample made ready for tests: a reference is made ready once."""

    def __init__(self, sample: Sample) -> None:
        self.sample, self.vectors = sample, sample.vectors
        self.columns = dict(zip(sample.names, _columns(sample), strict=True))

    def column(self, name: str) -> Column:
        """A feature; without a value in any row where the sample does not have it."""
        return self.columns.get(name) or Column(np.zeros(0), np.full(len(self.sample.values), MISSING))

    def widths(self) -> np.ndarray:
        """How many numbers the vector of each row has, 0 without one; float64 (n,), in no order."""
        widths = np.zeros(max(len(self.sample.values), len(self.vectors)))
        widths[: len(self.vectors)] = self.vectors.shape[1]
        return widths


def _columns(sample: Sample) -> Iterator[Column]:
    plain: list[bool] = np.all(sample.numeric, axis=0).tolist()
    ordered = np.sort(sample.values.T, axis=1) if any(plain) else sample.values.T
    for index, is_plain in enumerate(plain):
        if is_plain:
            yield Column(ordered[index], ordered[index][:0])
        else:
            numbers = sample.numeric[:, index]
            yield Column(np.sort(sample.values[numbers, index]), sample.values[~numbers, index])


def compare(reference: Sorted, current: Sorted) -> list[Finding]:
    """The tests of all features, of samples with rows enough. One that a sample lacks is missing in all its rows."""
    names = dict.fromkeys((*reference.columns, *current.columns))
    pairs = ((name, reference.column(name), current.column(name)) for name in names)
    tests = [
        _compare_columns(name, before, after)
        for name, before, after in pairs
        if min(len(before), len(after)) >= MINIMUM
    ]
    if _comparable(reference.vectors, current.vectors):
        scores = held_out_scores(reference.vectors, current.vectors)
        tests.append(_compare_numbers(EMBEDDING, *scores))
    elif max(len(reference.vectors), len(current.vectors)) >= 2 * MINIMUM:
        before, after = reference.widths(), current.widths()
        if min(len(before), len(after)) >= MINIMUM and len(np.unique(np.concatenate([before, after]))) > 1:
            tests.append(_compare_categories(EMBEDDING, before, after))
    return tests


def _comparable(before: np.ndarray, after: np.ndarray) -> bool:
    return min(len(before), len(after)) >= 2 * MINIMUM and before.shape[1] == after.shape[1]


def _compare_columns(name: str, before: Column, after: Column) -> Finding:
    few = before.distinct <= CATEGORIES or min(len(before.numbers), len(after.numbers)) < MINIMUM
    if few:
        apart = len(before.numbers) + len(after.numbers) > 0
        return _compare_categories(name, before.codes(apart=apart), after.codes(apart=apart))
    numbers = _compare_numbers(name, before.numbers, after.numbers)
    if not len(before.others) and not len(after.others):
        return numbers
    # two looks at one feature: what kind of value it holds, and the numbers among them
    kinds = _compare_categories(
        name, *(np.where(np.arange(len(c)) < len(c.numbers), 0.0, 1.0) for c in (before, after))
    )
    scores = {**numbers.scores, "psi": max(numbers.scores["psi"], kinds.scores["psi"])}
    return Finding(name, min(2.0 * min(numbers.p, kinds.p), 1.0), scores)


def _compare_numbers(name: str, before: np.ndarray, after: np.ndarray) -> Finding:
    statistic = numeric.kolmogorov_smirnov(before, after)
    scores = {
        "ks": statistic,
        "psi": numeric.stability_index(before, after),
        "wasserstein": numeric.distance(before, after),
    }
    return Finding(name, numeric.kolmogorov_p(statistic, len(before), len(after)), scores)


def _compare_categories(name: str, before: np.ndarray, after: np.ndarray) -> Finding:
    counts = categorical.counted(before, after)
    return Finding(name, categorical.chi_square_p(counts), {"psi": numeric.index_of_counts(*counts)})
