"""Keys of content: the same for inputs that say the same, whatever was done to them that no model would notice.

    text       Unicode-folded, lower case, without white space and punctuation at the ends of words
    table      the features in the order of their names; 1 and 1.0 are the same
    numbers    the numbers, by position; -0.0 is 0.0
    embedding  the same
    image      shape, type and pixels; a picture that was changed by one grey level is another one

A key is the first eight bytes of a keyed hash (blake2b), so that nobody who does not know the key can look for two
inputs that share it.
"""

import string
import unicodedata
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from detectors import inputs
from detectors.contract import InvalidQuery
from detectors.images import pixels
from detectors.repetition import canonical_row

#: the ASCII characters that mean nothing at the ends of a word
_MARKS = string.punctuation + "".join(map(chr, (*range(32), 127)))


def canonical_text(value: Any) -> str:
    """A text (or list of texts) as it is compared: folded, lower case, words with one blank between them.

    What has no word in it (an emoji, a row of dots) stays as it is, but for the blanks.
    """
    text = inputs.text_of(value)
    if text.isascii():
        words = text.split()
        return " ".join(filter(None, [word.strip(_MARKS) for word in words])) or " ".join(words)
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return " ".join(filter(None, map(_trimmed, words))) or " ".join(words)


def _trimmed(word: str) -> str:
    """A word without the marks at its ends. Each is looked at once: a text of a million of them is no attack."""
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    while end > start and not word[end - 1].isalnum():
        end -= 1
    return word[start:end]


def text_content(value: Any) -> bytes:
    """The canonical text in bytes."""
    return canonical_text(value).encode("utf-8", "surrogatepass")


def table_content(value: Any) -> bytes:
    """The features in the order of their names."""
    return canonical_row(inputs.features_of(value))


def number_content(value: Any) -> bytes:
    """The numbers as float64."""
    return (inputs.numbers_of(value) + 0.0).astype("<f8").tobytes()


def image_content(value: Any) -> bytes:
    """Shape, type and pixels of a picture, reduced to 64 x 64 first where it is larger."""
    picture = pixels(value)
    return f"{picture.shape}{picture.dtype.char}".encode() + picture.tobytes()


#: by kind of input
CONTENT: dict[str, Callable[[Any], bytes]] = {
    "text": text_content,
    "table": table_content,
    "numbers": number_content,
    "embedding": number_content,
    "image": image_content,
}


def content_keys(values: Sequence[Any], salt: bytes) -> np.ndarray:
    """Keys of inputs of any kinds: uint64 (n,). salt: at most 64 secret bytes.

    Raises InvalidQuery with the position of an input that cannot be read.
    """
    keys = np.zeros(len(values), dtype=np.uint64)
    for kind, positions in inputs.kinds(values, inputs.KINDS).items():
        content = CONTENT[kind]
        try:
            contents = inputs.each(content, [values[index] for index in positions])
        except InvalidQuery as error:
            raise error if error.index is None else error.at(positions[error.index]) from None
        keys[positions] = [_hash(kind, data, salt) for data in contents]
    return keys


def _hash(kind: str, data: bytes, salt: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8, key=salt, person=kind.encode()).digest(), "little")
