"""Label values from outside."""

import re

from hypothesis import given
from hypothesis import strategies as st

from exporter.labels import label_value


@given(st.text())
def test_whatever_comes_is_safe_and_neither_empty_nor_long(text):
    assert re.fullmatch(r"[A-Za-z0-9._:/@-]{1,128}", label_value(text), re.ASCII)


def test_a_safe_name_is_its_own_label_and_all_else_is_replaced() -> None:
    assert label_value("gpt-4o/eu:1@x.y_z") == "gpt-4o/eu:1@x.y_z"
    assert label_value('a"}\n{é\0b') == "a______b"
    assert label_value("") == "_"
    assert label_value("x" * 129) == "x" * 128
