"""Label values from outside, made safe."""

import re

_UNSAFE = re.compile(r"[^A-Za-z0-9._:/@-]")


def label_value(text: str) -> str:
    """A text from outside as a label value: 1 to 128 characters that are safe in links and messages."""
    return _UNSAFE.sub("_", text[:128]) or "_"
