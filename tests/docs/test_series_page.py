"""The page on learned normal says what the code does."""

import contextlib
import io
import json
import re
from pathlib import Path

from detectors.series import SeriesOptions
from detectors.series.learned import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "detectors" / "series.md").read_text()


def test_the_example_prints_what_the_page_says():
    code, output = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


def test_the_options_and_their_defaults_are_those_of_the_code():
    table = PAGE.split("## Options")[1].split("##")[0]
    defaults = SeriesOptions()
    written = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", table, re.MULTILINE))
    named = {name: getattr(defaults, name) for name in SeriesOptions.__struct_fields__}
    assert written == {name: value if isinstance(value, str) else json.dumps(value) for name, value in named.items()}


def test_every_component_is_in_the_table():
    table = PAGE.split("## What the score is made of")[1].split("##")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == NAMES
