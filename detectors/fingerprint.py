"""Fingerprints: which earlier query, whoever sent it, shares most of a query's pieces.

The score of a query is the share of its hashes that one earlier query has too, 0 to 1. Half of them is a match.

What is hashed, with a secret salt:
    image   the pixels in steps of 50 grey levels, in runs of 20 (50 from 4,096 values on); the 50 largest hashes.
            Runs without a change are left out: they are in every picture.
    text    runs of 8 bytes, the 64 largest hashes; and of two words, the 32 largest. Texts lie one after the other, so
            that a batch of them is a few operations on one array
    table, numbers, embedding   128 random quarters of the numbers, each in cells of a quarter of its spread

Windows that are in more than 20 % of a model's first texts are a template and left out. An index of a fixed size holds
for each hash the last query that had it.

Blind to changes of every pixel by more than half a step, to texts written anew, and to rows of which every number
moved. Matches natural look-alikes as well: it proposes, and something else decides.

Source: Li et al. 2022, "Blacklight: scalable defense for neural networks against query-based black-box attacks".
"""

from collections.abc import Iterator, Mapping, Sequence
from secrets import token_hex
from typing import Any

import numpy as np

from detectors.canonical import text_content
from detectors.coordinates import SPREAD_FINE, Layout
from detectors.kept import RowReader, Rows, packed, unpacked

#: share of its hashes that a query must have in common with an earlier one
MATCH = 0.5
#: image: grey levels in a step, values in a run, hashes kept
STEP, RUN, LONG_RUN, LONG_FROM, KEPT = 50, 20, 50, 4096, 50
#: text: bytes in a run, hashes kept of these, hashes kept of two words, what ends a word
TEXT_RUN, TEXT_KEPT, WORDS_KEPT, BLANK = 8, 64, 32, ord(" ")
#: table: random subsets, the share of the numbers in each, cells in a spread
SUBSETS, SHARE, CELLS = 128, 4, 4
#: bytes of texts that are worked on together; more of them do not stay in the processor's cache
TEXT_BYTES = 1 << 16
#: texts of which the hashes are sorted together: the first bits of a number say whose it is
SORTED, OWNER_BITS = 256, 8
#: a window in more than this share of the first texts is a template
TEMPLATE = 0.2
#: hashes of a query at most, whatever it is
WIDTH = 128
#: slots of the index; each holds a hash and the query that had it last
SLOTS = 1 << 22
NONE = -1
#: one row of the last queries for so many slots, as a power of two
RECENT_SHARE = 10
#: rows that are looked up together, and slots: it takes some milliseconds
LOOKED_UP, BLOCK = 512, 1 << 15
#: rows that are read together when an index is loaded
READ = 4096
_FACTOR = 0x9E3779B97F4A7C15


class Fingerprints:
    """Hashes of queries of one layout. salt: a secret number."""

    def __init__(self, layout: Layout, salt: int) -> None:
        self.layout, self.salt = layout, salt
        words = np.random.default_rng(salt).integers(0, 1 << 63, 8, dtype=np.int64).astype(np.uint64)
        self._odd = words | np.uint64(1)
        self._marks = np.random.default_rng((salt, 2)).integers(0, 1 << 63, SUBSETS, dtype=np.int64).astype(np.uint64)
        self._templates = np.zeros(0, dtype=np.uint64)
        self._subsets, self._coefficients = self._drawn()

    @property
    def width(self) -> int:
        """Hashes of a query at most."""
        return {"image": KEPT, "text": TEXT_KEPT + WORDS_KEPT}.get(self.layout.kind, SUBSETS)

    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """For tables: the random subsets, and a random odd number for each place in them."""
        features = len(self.layout.names) if self.layout.kind == "table" else self.layout.dimensions
        if self.layout.kind in ("text", "image"):
            return np.zeros((0, 0), dtype=np.int64), np.zeros((0, 0), dtype=np.uint64)
        random = np.random.default_rng((self.salt, 1))
        size = max(1, min(features // SHARE, 64))
        subsets = np.stack([random.choice(features, size, replace=False) for _ in range(SUBSETS)])
        odd = random.integers(0, 1 << 63, (SUBSETS, size), dtype=np.int64).astype(np.uint64) | np.uint64(1)
        return subsets, odd

    def learn(self, values: Sequence[Any], numbers: np.ndarray) -> None:
        """Learn the templates of texts from a model's first queries."""
        if self.layout.kind != "text" or not values:
            return
        hashes, counts = np.unique(self.of(values, numbers), return_counts=True)
        self._templates = hashes[(counts > TEMPLATE * len(values)) & (hashes > 0)]

    def of(self, values: Sequence[Any], numbers: np.ndarray) -> np.ndarray:
        """Hashes of inputs that fit the layout: uint64 (n, WIDTH), each at most once, 0 where there are fewer.

        numbers: float64 (n, d), as the layout gives them.
        """
        hashes = np.zeros((len(values), WIDTH), dtype=np.uint64)
        if self.layout.kind == "text":
            self._of_texts(hashes, [text_content(value) for value in values])
        elif self.layout.kind == "image":
            self._of_images(hashes, numbers)
        else:
            self._of_rows(hashes, numbers)
        if self._templates.size:
            hashes[np.isin(hashes, self._templates)] = 0
        return hashes

    def _of_texts(self, hashes: np.ndarray, texts: Sequence[bytes]) -> None:
        start = 0
        for count in _parts(texts):
            rows = hashes[start : start + count]
            data, lengths = _joined(texts[start : start + count])
            rows[:, :TEXT_KEPT] = self._letters(data, lengths)
            rows[:, TEXT_KEPT : TEXT_KEPT + WORDS_KEPT] = self._words(data, lengths)
            start += count

    def _letters(self, data: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Hashes of all runs of 8 bytes, which are read as one number each."""
        runs = np.ndarray(len(data) - TEXT_RUN + 1, "<u8", data, strides=(1,)) * self._odd[4]
        own = lengths - TEXT_RUN + 1
        starts = np.repeat(np.cumsum(lengths) - lengths - (np.cumsum(own) - own), own) + np.arange(own.sum())
        return largest_of_each(mixed(runs[starts], self._odd[0]), own, TEXT_KEPT)

    def _words(self, data: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Hashes of all runs of two words; of the word where there is only one."""
        is_end = data == BLANK
        ends = np.cumsum(lengths)
        is_end[ends - 1] = True
        last = np.flatnonzero(is_end)
        first = np.concatenate([[0], last[:-1] + 1])
        words = self._hashes_between(data, first, last + 1)
        counts = np.diff(np.searchsorted(last, ends), prepend=0)
        followed = np.ones(len(words), dtype=bool)
        followed[np.cumsum(counts) - 1] = False
        pairs = words * self._odd[5]
        pairs[:-1][followed[:-1]] += (words[1:] * self._odd[6])[followed[:-1]]
        kept = followed | np.repeat(counts == 1, counts)
        return largest_of_each(mixed(pairs[kept], self._odd[1]), np.maximum(counts - 1, 1), WORDS_KEPT)

    def _hashes_between(self, data: np.ndarray, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """A hash of the bytes between each two places: uint64 (n,)."""
        powers, inverses = self._powers(len(data) + 1)
        sums = np.zeros(len(data) + 1, dtype=np.uint64)
        np.cumsum((data.astype(np.uint64) + np.uint64(1)) * powers[:-1], out=sums[1:])
        return mixed((sums[stop] - sums[first]) * inverses[first], self._odd[7])

    def _of_images(self, hashes: np.ndarray, numbers: np.ndarray) -> None:
        steps = np.floor(numbers * (255 / (65536 * STEP)) + 0.5).astype(np.int64).astype(np.uint64) + np.uint64(1)
        run = LONG_RUN if steps.shape[1] >= LONG_FROM else min(RUN, max(1, steps.shape[1] // 4))
        for row, values in zip(hashes, steps, strict=True):
            runs = self._runs(values, run)
            changes = np.concatenate([[0], np.cumsum(values[1:] != values[:-1])])
            found = largest(runs[changes[run - 1 :] > changes[: len(runs)]], KEPT)
            row[: len(found)] = found

    def _of_rows(self, hashes: np.ndarray, numbers: np.ndarray) -> None:
        cells = np.floor(numbers * (CELLS / SPREAD_FINE) + 0.5).astype(np.int64).astype(np.uint64)
        for subset, odd, place in zip(self._subsets, self._coefficients, range(SUBSETS), strict=True):
            total = (cells[:, subset] * odd).sum(axis=1, dtype=np.uint64)
            hashes[:, place] = mixed(total ^ self._marks[place], self._odd[0]) | np.uint64(1)

    def _runs(self, values: np.ndarray, run: int) -> np.ndarray:
        """Keyed hashes of all runs of this length: uint64 (n,) to uint64 (n - run + 1,); one of all if it is shorter.

        A polynomial in a secret number, by differences of its running sums, then mixed.
        """
        run = min(run, len(values))
        if not run:
            return np.zeros(0, dtype=np.uint64)
        powers, inverses = self._powers(len(values) + 1)
        sums = np.zeros(len(values) + 1, dtype=np.uint64)
        np.cumsum(values * powers[:-1], out=sums[1:])
        return mixed((sums[run:] - sums[:-run]) * inverses[: len(values) - run + 1], self._odd[0]) | np.uint64(1)

    def _powers(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Powers of the secret number and their inverses, modulo 2^64."""
        kept = getattr(self, "_kept_powers", None)
        if kept is None or len(kept[0]) < count:
            base = int(self._odd[3])
            kept = self._kept_powers = (powers(base, 2 * count), powers(pow(base, -1, 1 << 64), 2 * count))
        return kept[0][:count], kept[1][:count]

    def dump(self) -> dict[str, Any]:
        """What was learned, as plain values."""
        return {"templates": packed(self._templates)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what was learned."""
        self._templates = unpacked(state["templates"], "<u8").copy()


def powers(base: int, count: int) -> np.ndarray:
    """1, base, base², … modulo 2^64: uint64 (count,)."""
    found = np.full(count, base & (1 << 64) - 1, dtype=np.uint64)
    found[0] = 1
    return np.multiply.accumulate(found)


def mixed(values: np.ndarray, odd: np.uint64) -> np.ndarray:
    """Numbers whose every bit depends on every bit: uint64 (n,) to uint64 (n,)."""
    values = (values ^ (values >> np.uint64(32))) * odd
    values = (values ^ (values >> np.uint64(29))) * np.uint64(_FACTOR)
    return values ^ (values >> np.uint64(32))


def _parts(texts: Sequence[bytes]) -> Iterator[int]:
    """How many texts are worked on together, again and again."""
    count = size = 0
    for text in texts:
        if count and (size + len(text) > TEXT_BYTES or count == SORTED):
            yield count
            count = size = 0
        count, size = count + 1, size + len(text)
    if count:
        yield count


def _joined(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Texts one after the other, each filled up to a run and ended by a blank: uint8, and their lengths, int (n,)."""
    filled = [text.ljust(TEXT_RUN - 1, b"\0") + b" " for text in texts]
    return np.frombuffer(b"".join(filled), dtype=np.uint8), np.array([len(text) for text in filled])


def largest_of_each(hashes: np.ndarray, counts: np.ndarray, kept: int) -> np.ndarray:
    """The largest different hashes of each of many: uint64 (n, kept), in no order, 0 where there are fewer.

    hashes: uint64, those of the first, of the second and so on; the last bits do not count. counts: int (n,), n at most
    SORTED, how many each has.
    """
    shift = np.uint64(OWNER_BITS)
    owners = np.repeat(np.arange(len(counts), dtype=np.uint64) << np.uint64(64 - OWNER_BITS), counts)
    marked = np.sort(owners | hashes >> shift)
    marked = marked[np.append(marked[1:] != marked[:-1], [True])] if len(marked) else marked
    whose = (marked >> np.uint64(64 - OWNER_BITS)).astype(np.int64)
    after = np.searchsorted(whose, np.arange(len(counts)), side="right")
    rank = after[whose] - 1 - np.arange(len(marked))
    is_kept = rank < kept
    found = np.zeros((len(counts), kept), dtype=np.uint64)
    found[whose[is_kept], rank[is_kept]] = mixed(marked[is_kept] << shift, np.uint64(_FACTOR)) | np.uint64(1)
    return found


def largest(hashes: np.ndarray, count: int) -> np.ndarray:
    """The largest different hashes, at most `count`."""
    if len(hashes) > 2 * count:  # repeats are few: most need not be sorted
        found = np.unique(np.partition(hashes, -2 * count)[-2 * count :])
        if len(found) >= count:
            return found[-count:]
    return np.unique(hashes)[-count:]


class Index:
    """The last query that had each hash, in a table of a fixed size: a later hash in the same slot takes its place."""

    def __init__(self, slots: int = SLOTS, width: int = WIDTH) -> None:
        """slots: a power of two. width: hashes of a query at most."""
        #: names its rows outside, and no others
        self._id = token_hex(8)
        self._width = width
        self._mask = np.uint64(slots - 1)
        self._tags = np.zeros(slots, dtype=np.uint32)
        self._numbers = np.full(slots, NONE, dtype=np.int64)
        #: hashes of the last queries, as they were taken in: to hand them out without looking through the table
        self._recent = np.zeros((max(slots >> RECENT_SHARE, 1), width), dtype=np.uint64)
        self._first = self._last = 0

    @property
    def nbytes(self) -> int:
        """Memory that the table takes, in bytes."""
        return self._tags.nbytes + self._numbers.nbytes + self._recent.nbytes

    def dump(self) -> dict[str, Any]:
        """Everything but the rows, as plain values."""
        return {
            "id": self._id,
            "slots": len(self._tags),
            "width": self._width,
            "first": self._first,
            "last": self._last,
        }

    def load(self, state: Mapping[str, Any], read_rows: RowReader | None) -> None:
        """Fill this index, which is empty, with the rows of what `dump` gave; of an index of another size nothing.

        Raises ValueError when there is nothing to read them from.
        """
        if (state["slots"], state["width"]) != (len(self._tags), self._width):
            return
        self._id, self._first, self._last = state["id"], int(state["first"]), int(state["last"])
        if self._last > self._first and read_rows is None:
            raise ValueError(f"the state is of {self._last - self._first} rows, and there is nothing to read them from")
        for start in range(self._first, self._last, READ):
            stop = min(start + READ, self._last)
            assert read_rows is not None
            self._put(read_rows(self._id, start, stop), np.arange(start, stop))

    def row_spaces(self) -> dict[str, Rows]:
        """The hashes of the queries that count, by the id of their space: row n are those of query n."""
        return {self._id: Rows(self._first, self._last, self._width, "<u8")}

    def rows_since(self, space: str, number: int, limit: int) -> tuple[int, np.ndarray]:
        """At most `limit` rows from this number or the oldest that counts on: uint64 (n, width), 0 where there is none.

        A hash whose slot a later query took may be left out, for it stands in that query's row.
        """
        if space != self._id:
            raise KeyError(space)
        start = max(number, self._first)
        stop = max(min(start + limit, self._last), start)
        if start >= self._last - len(self._recent):
            return start, self._recent[np.arange(start, stop) % len(self._recent)]
        return start, self._looked_up(start, min(stop, start + LOOKED_UP))

    def _looked_up(self, start: int, stop: int) -> np.ndarray:
        """The rows as the table has them."""
        slots = self._slots_of(start, stop)
        slots = slots[np.argsort(self._numbers[slots], kind="stable")]
        rows = self._numbers[slots] - start
        places = np.arange(len(rows)) - np.searchsorted(rows, rows)
        found = np.zeros((stop - start, self._width), dtype=np.uint64)
        found[rows, places] = (self._tags[slots].astype(np.uint64) << np.uint64(32)) | slots.astype(np.uint64)
        return found

    def _slots_of(self, start: int, stop: int) -> np.ndarray:
        """The slots of these queries, looked for in parts of the table that stay in the processor's cache."""
        found = []
        for begin in range(0, len(self._numbers), BLOCK):
            numbers = self._numbers[begin : begin + BLOCK]
            found.append(begin + np.flatnonzero((numbers >= start) & (numbers < stop)))
        return np.concatenate(found)

    def match(self, hashes: np.ndarray, numbers: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """For each query the earlier one that shares most of its hashes; then they are all taken in.

        hashes: uint64 (n, WIDTH). numbers: of the queries, growing. first: numbers before it count as forgotten.
        Returns the numbers, int64 (n,), NONE where there is none, and the shares, float64 (n,).
        """
        rows, slots, tags = self._split(hashes)
        before = self._before(rows, slots, tags, numbers, first)
        self._put(hashes[:, : self._width], numbers)
        self._first, self._last = first, int(numbers[-1]) + 1
        return _most(rows, before, np.count_nonzero(hashes, axis=1))

    def _split(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each hash its row, its slot, and the rest of it, by which it is known there."""
        rows, columns = np.nonzero(hashes)
        flat = hashes[rows, columns]
        return rows, (flat & self._mask).astype(np.int64), (flat >> np.uint64(32)).astype(np.uint32) | np.uint32(1)

    def _put(self, hashes: np.ndarray, numbers: np.ndarray) -> None:
        """Take queries in. hashes: uint64 (n, width). numbers: growing."""
        rows, slots, tags = self._split(hashes)
        self._tags[slots], self._numbers[slots] = tags, numbers[rows]
        last = slice(-len(self._recent), None)
        self._recent[numbers[last] % len(self._recent)] = hashes[last]

    def _before(
        self, rows: np.ndarray, slots: np.ndarray, tags: np.ndarray, numbers: np.ndarray, first: int
    ) -> np.ndarray:
        """Who had each hash before: what stood in its slot when its query came, if that was the same hash."""
        before = np.where(self._tags[slots] == tags, self._numbers[slots], NONE)
        order = np.argsort(slots, kind="stable")  # by slot, then by query
        ordered_slots, ordered_rows = slots[order], rows[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (ordered_slots[1:] != ordered_slots[:-1]) | (ordered_rows[1:] != ordered_rows[:-1])
        start = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        previous = start - 1
        inside = (previous >= 0) & (ordered_slots[previous] == ordered_slots)
        here, there = order[inside], order[previous[inside]]
        before[here] = np.where(tags[there] == tags[here], numbers[rows[there]], NONE)
        return np.where(before >= first, before, NONE)


def _most(rows: np.ndarray, before: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most frequent earlier query of each row, the latest of equals, and its share of the row's hashes."""
    best, shares = np.full(len(totals), NONE), np.zeros(len(totals))
    hit = before != NONE
    pairs, counts = np.unique(np.stack([rows[hit], before[hit]], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], counts, pairs[:, 0])) if len(pairs) else np.zeros(0, dtype=np.int64)
    for row, number, count in zip(pairs[order, 0], pairs[order, 1], counts[order], strict=True):
        best[row], shares[row] = number, count / totals[row]  # the last one of a row stands
    return best, shares
