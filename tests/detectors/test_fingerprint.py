"""Fingerprints and their index."""

import numpy as np
import pytest

from detectors.coordinates import Layout
from detectors.fingerprint import MATCH, NONE, WIDTH, Fingerprints, Index, largest, largest_of_each, powers

RANDOM = np.random.default_rng(11)
PICTURES = [np.kron(RANDOM.integers(0, 256, (8, 8)), np.ones((8, 8))).astype(np.uint8) for _ in range(20)]
TEXTS = [" ".join(RANDOM.choice(list("abcdefghijklmnop"), 60)).replace(" ", "", 30) for _ in range(20)]
ROWS = RANDOM.normal(0, 1, (20, 30)).tolist()


def hashed(values, salt=1):
    layout = Layout.of(values)
    prints = Fingerprints(layout, salt)
    return prints.of(values, layout.numbers(values)[0])


def shares(one, other):
    """By sets: the share of the hashes of one that the other has too."""
    mine, theirs = set(one[one > 0].tolist()), set(other[other > 0].tolist())
    return len(mine & theirs) / len(mine)


@pytest.mark.parametrize("values", [PICTURES, TEXTS, ROWS])
def test_hashes_are_of_the_query_alone_and_different(values):
    whole = hashed(values)
    layout = Layout.of(values)
    prints = Fingerprints(layout, 1)
    for row, value in zip(whole, values, strict=True):
        assert (prints.of([value], layout.numbers([value])[0])[0] == row).all()
        used = row[row > 0]
        assert 0 < len(used) == len(set(used.tolist())) <= WIDTH
    assert (hashed(values, salt=2) != whole).any()


def test_a_patch_of_a_picture_leaves_most_pieces_as_they_are():
    patched = PICTURES[0].copy()
    patched[:12, :12] ^= 255
    first, second, other = hashed([PICTURES[0], patched, PICTURES[1]])
    assert shares(second, first) >= MATCH > shares(other, first)


def test_a_suffix_leaves_most_pieces_of_a_text_as_they_are():
    text = "please summarise the following report about the harvest of last year in three sentences"
    first, second, other = hashed([text, text + " xx!!y zzt", "what is the capital of a country that has none"])
    assert shares(second, first) >= MATCH > shares(other, first)


def test_one_changed_number_leaves_most_subsets_as_they_are():
    changed = list(ROWS[0])
    changed[4] += 10.0
    layout = Layout.of(ROWS)
    prints = Fingerprints(layout, 1)
    values = [ROWS[0], changed, ROWS[1]]
    first, second, other = prints.of(values, layout.numbers(values)[0])
    assert shares(second, first) >= MATCH > shares(other, first)


def test_a_flat_picture_has_no_fingerprint():
    assert not hashed([np.full((28, 28), 7, np.uint8)]).any()


def test_what_is_in_every_fifth_of_the_first_texts_is_a_template():
    head = "you are a helpful assistant and answer in the language of the question: "
    values = [head + text for text in TEXTS]
    layout = Layout.of(values)
    prints = Fingerprints(layout, 1)
    numbers = layout.numbers(values)[0]
    before = prints.of(values, numbers)
    assert shares(before[0], before[1]) > 0.3
    prints.learn(values, numbers)
    after = prints.of(values, numbers)
    assert shares(after[0], after[1]) < 0.1
    again = Fingerprints(layout, 1)
    again.load(prints.dump())
    assert (again.of(values, numbers) == after).all()


def test_short_texts_and_none_at_all_do_no_harm():
    layout = Layout.of(TEXTS)
    values = ["", "a", "ab cd", "ü"]
    assert Fingerprints(layout, 1).of(values, layout.numbers(values)[0]).shape == (4, WIDTH)


def test_texts_are_hashed_alike_alone_and_together():
    values = [" ".join(RANDOM.choice(["ab", "c", "def", "\u00e9\u00e8"], 1 + n % 300)) for n in range(700)]
    values[5], values[50], values[500] = "", "x" * 200_000, "two words"
    layout = Layout.of(values)
    prints = Fingerprints(layout, 1)
    alone = [prints.of([value], layout.numbers([value])[0])[0] for value in values]
    assert (hashed(values) == alone).all()


def test_a_word_more_in_a_text_of_words_leaves_all_pairs_but_the_last():
    first, second = hashed(["one two three four five six", "one two three four five six seven"])
    mine, theirs = (set(row[64:].tolist()) - {0} for row in (first, second))
    assert len(mine) == 5
    assert len(theirs) == 6
    assert mine < theirs


def test_of_each_the_largest_different_hashes_are_kept():
    counts = RANDOM.integers(0, 40, 200)
    values = RANDOM.integers(0, 1 << 20, counts.sum()).astype(np.uint64) << np.uint64(40)
    found = largest_of_each(values, counts, 8)
    for row, mine in zip(found, np.split(values, np.cumsum(counts)[:-1]), strict=True):
        expected = sorted(set(mine.tolist()))[-8:]
        [alone] = largest_of_each(np.array(expected, dtype=np.uint64), np.array([len(expected)]), 8)
        assert set(row.tolist()) == set(alone.tolist())
        assert np.count_nonzero(row) == len(expected)


def test_powers_are_those_modulo_two_to_the_64th():
    base = 0x9E3779B97F4A7C15
    assert powers(base, 20).tolist() == [pow(base, n, 1 << 64) for n in range(20)]
    assert powers(base, 1).tolist() == [1]


def test_the_largest_different_hashes_are_kept():
    values = RANDOM.integers(0, 50, 400).astype(np.uint64)
    assert largest(values, 5).tolist() == sorted(set(values.tolist()))[-5:]


# -- the index


def slow_matches(hashes, first=0):
    """The last query that had each hash, in a plain dict; the most frequent of them, the latest of equals."""
    owner, numbers, found = {}, [], []
    for number, row in enumerate(hashes):
        mine = [int(value) for value in row if value]
        before = [owner[value] for value in mine if value in owner and owner[value] >= first]
        best = max(sorted(set(before), reverse=True), key=before.count, default=NONE)
        numbers.append(best)
        found.append(before.count(best) / len(mine) if best != NONE else 0.0)
        owner.update(dict.fromkeys(mine, number))
    return numbers, found


@pytest.mark.parametrize("size", [1, 7, 60])
def test_a_match_is_what_a_dict_finds_in_any_batches(size):
    hashes = RANDOM.integers(1, 1 << 40, 80).astype(np.uint64)[RANDOM.integers(0, 80, (60, WIDTH))]
    hashes[:, 20:] = 0
    for row in hashes:  # each hash at most once
        unique = np.unique(row[row > 0])
        row[:] = 0
        row[: len(unique)] = unique
    hashes *= np.uint64(0x9E3779B97F4A7C15)  # spread over the slots
    index, numbers, found = Index(1 << 20), [], []
    for start in range(0, 60, size):
        part = hashes[start : start + size]
        matched = index.match(part, np.arange(start, start + len(part)), 0)
        numbers += matched[0].tolist()
        found += matched[1].tolist()
    assert (numbers, found) == slow_matches(hashes)


def test_a_full_index_is_the_same_in_any_batches_and_never_grows():
    hashes = RANDOM.integers(1, 1 << 62, (200, WIDTH)).astype(np.uint64)
    hashes[100:] = hashes[:100]
    whole, parts = Index(1 << 10), Index(1 << 10)
    expected = whole.match(hashes, np.arange(200), 0)
    found = [parts.match(hashes[n : n + 1], np.array([n]), 0) for n in range(200)]
    assert np.concatenate([numbers for numbers, _ in found]).tolist() == expected[0].tolist()
    assert whole.nbytes == (12 << 10) + 8 * WIDTH
    later = hashes[:5], np.arange(200, 205), 0
    assert whole.match(*later)[0].tolist() == restored(parts, Index(1 << 10), 3).match(*later)[0].tolist()


def test_what_is_forgotten_matches_nothing():
    hashes = hashed(PICTURES)
    index = Index(1 << 16)
    index.match(hashes, np.arange(20), 0)
    assert index.match(hashes[:1], np.array([20]), 20)[0].tolist() == [NONE]


def restored(index, fresh, limit):
    """A fresh index, filled with the rows of another one that were handed out so many at a time."""
    [(space, rows)] = index.row_spaces().items()
    kept, number = [], rows.first
    while number < rows.last:
        start, part = index.rows_since(space, number, limit)
        assert start == number
        kept += list(part)
        number += len(part)
    fresh.load(index.dump(), lambda name, start, stop: np.array(kept[start - rows.first : stop - rows.first]))
    return fresh


@pytest.mark.parametrize("handed_out", [1, 40, 10_000])
def test_rows_bring_an_index_back_whether_they_are_looked_up_or_of_the_last_queries(handed_out):
    """Queries share hashes, and slots: the table is small for so many."""
    index, random = Index(1 << 14, 20), np.random.default_rng(4)
    words = random.integers(1, 1 << 62, 3000).astype(np.uint64)
    for start in range(0, 2000, 100):
        index.match(random.choice(words, (100, 20)), np.arange(start, start + 100), max(start - 700, 0))
    again = restored(index, Index(1 << 14, 20), handed_out)
    queries = random.choice(words, (100, 20)), np.arange(2000, 2100), 1300
    ours, theirs = again.match(*queries), index.match(*queries)
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1].tolist() == theirs[1].tolist()


def test_an_index_of_another_size_takes_nothing_and_one_without_rows_is_refused():
    index = Index(1 << 10)
    index.match(hashed(PICTURES), np.arange(20), 0)
    other = Index(1 << 11)
    other.load(index.dump(), None)
    assert next(iter(other.row_spaces().values())).last == 0
    with pytest.raises(ValueError, match="20 rows"):
        Index(1 << 10).load(index.dump(), None)
    with pytest.raises(KeyError):
        index.rows_since("another", 0, 10)
