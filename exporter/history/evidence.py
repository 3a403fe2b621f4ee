"""What is kept of the content of a flagged query: nothing, the text without what looks private, or the text."""

import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from exporter.health.failures import reason

Evidence = Literal["none", "redacted", "full"]
#: characters that are kept of one query
MAX_CHARACTERS = 4_000
#: and of the text of an error
MAX_ERROR = 256

#: in this order: an address holds digits, and a key holds both. Each begins where a run begins, and no run is
#: gone through again from its middle: a long one would take the square of its length
PRIVATE = (
    (re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+"), "<email>"),
    (re.compile(r"(?<![\w+/-])(?=[\w+/-]*\d)[\w+/-]{20,}+={0,2}"), "<token>"),
    (re.compile(r"\d(?:[\s.-]?\d){2,}"), "<number>"),
)


def content_of(value: Any, evidence: Evidence) -> str | None:
    """What is kept of an input; None where nothing is."""
    if evidence == "none":
        return None
    if evidence == "full":
        return _shown(value, lambda text: text)
    return _shown(value, redacted)


def error_of(text: str, evidence: Evidence) -> str:
    """What is kept of the text of an error, which may quote the query: its word, and what evidence allows of it."""
    word = reason(text)
    if evidence == "none":
        return word
    return text[:MAX_ERROR] if evidence == "full" else f"{word}: {redacted(text[:MAX_ERROR])}"[:MAX_ERROR]


def redacted(text: str) -> str:
    """The text without e-mail addresses, long tokens that hold digits, and numbers of three digits and more."""
    for pattern, word in PRIVATE:
        text = pattern.sub(word, text)
    return text


def _shown(value: Any, change: Callable[[str], str]) -> str:
    """An input as a text: words as they are, plain data as JSON, arrays and pictures by what they measure."""
    if isinstance(value, str):
        text = value[: 2 * MAX_CHARACTERS]
    elif isinstance(value, np.ndarray):
        text = f"{value.dtype} {' x '.join(map(str, value.shape))}"
    elif isinstance(value, (dict, list, tuple, int, float)):
        text = msgspec.json.encode(value, enc_hook=lambda inner: _shown(inner, str)).decode()[: 2 * MAX_CHARACTERS]
    else:
        text = type(value).__name__
    return change(text)[:MAX_CHARACTERS]
