"""Label values from outside."""

import re

from hypothesis import given
from hypothesis import strategies as st

from exporter.labels import label_value


@given(st.text())
def test_whatever_comes_is_safe_and_neither_empty_nor_long(text):
    assert re.fullmatch(r"[A-Za-z0-9._:/@-]{1,128}", label_value(text), re.ASCII)
