"""Texts as vectors: counts of their character 3- and 4-grams, hashed into 512 places.

Near in angle are texts that share their wording. Paraphrases are not near: meaning is not looked at.

Source: feature hashing with signs, Weinberger et al. 2009.
"""

from collections.abc import Iterator, Sequence

import numpy as np

PLACES = 512
#: bytes and texts that are worked on together; more of them do not stay in the processor's cache
BYTES, TEXTS = 1 << 15, 128
_BITS = (np.uint32(0), np.uint32(8), np.uint32(16), np.uint32(24))
#: odd numbers that spread the bits of a gram over the upper bits of a product; one for each size of gram
_FACTORS = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B))


def embed_texts(texts: Sequence[str]) -> np.ndarray:
    """Vectors of unit length, float32 (n, 512); all zeros for an empty text.

    The count of each place (grams fall in with a sign) goes in as its square root, so that a repeated word does not
    drown the rest.
    """
    vectors = np.empty((len(texts), PLACES), dtype=np.float32)
    for part, joined, lengths in _parts(texts):
        vectors[part] = _vectors(np.frombuffer(joined, dtype=np.uint8), lengths)
    return vectors


def _parts(texts: Sequence[str]) -> Iterator[tuple[slice, bytes, np.ndarray]]:
    """Runs of texts: their bytes between marks (so that a text of one letter has a gram), and how many each has."""
    encoded = [b"\x02%b\x03" % text.encode("utf-8", "surrogatepass") for text in texts]
    lengths = np.array([len(text) for text in encoded])
    ends = lengths.cumsum()
    start = 0
    while start < len(encoded):
        whole = int(ends.searchsorted(ends[start] - lengths[start] + BYTES, side="right"))
        stop = min(max(whole, start + 1), start + TEXTS)
        yield slice(start, stop), b"".join(encoded[start:stop]), lengths[start:stop]
        start = stop


def _vectors(data: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Vectors of texts that lie one after the other in `data`, uint8; each is at least two bytes long."""
    owners = np.arange(len(lengths), dtype=np.uint32).repeat(lengths) * np.uint32(PLACES)
    codes = data.astype(np.uint32)
    threes = codes[:-2] | codes[1:-1] << _BITS[1] | codes[2:] << _BITS[2]
    fours = threes[:-1] | codes[3:] << _BITS[3]
    mixed = np.concatenate([threes * _FACTORS[0], fours * _FACTORS[1]])
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x2C1B3C6D)
    places = mixed >> np.uint32(23)
    places += np.concatenate([owners[: len(threes)], owners[: len(fours)]])
    # a gram that reaches into the next text weighs nothing
    inside = np.concatenate([owners[: len(threes)] == owners[2:], owners[: len(fours)] == owners[3:]])
    signs = (mixed >> np.uint32(11) & np.uint32(2)).astype(np.float64)
    signs -= 1.0
    signs *= inside
    counts = np.bincount(places, signs, minlength=len(lengths) * PLACES)
    return _unit_roots(counts.astype(np.float32).reshape(-1, PLACES))


def _unit_roots(counts: np.ndarray) -> np.ndarray:
    sizes = np.abs(counts)
    totals = sizes.sum(axis=1, keepdims=True)  # the squares of the roots are the sizes themselves
    sizes /= np.where(totals > 0, totals, 1)
    return np.copysign(np.sqrt(sizes, out=sizes), counts, out=sizes)
