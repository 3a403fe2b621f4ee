"""The pages on detectors say what the code does."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from detectors import list_detectors

PAGES = Path(__file__).parents[2] / "docs" / "detectors"
NAMES = ("confidence", "repetition", "similarity", "exact_repeat")


def page(name):
    return (PAGES / f"{name}.md").read_text()


def documented(name):
    """Option -> default, as the table under "Options" has them."""
    table = page(name).split("## Options")[1].split("##")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", table, re.MULTILINE))


def shown(value):
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("name", NAMES)
def test_the_options_and_their_defaults_are_those_of_the_code(name):
    options = list_detectors()[name]["class"]({}).options
    assert documented(name) == {field: shown(getattr(options, field)) for field in options.__struct_fields__}


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_of_the_options_names_each_of_them(name):
    options = list_detectors()[name]["class"]({}).options
    for field in options.__struct_fields__:
        assert f"{field}: " in type(options).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_the_example_prints_what_the_page_says(name):
    code, output = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", page(name), re.DOTALL).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


@pytest.mark.parametrize("name", list_detectors())
def test_every_detector_is_on_a_page(name):
    titles = [page(part).splitlines()[0] for part in NAMES]
    assert any(name in re.split(r"[# ,]+", title) for title in titles)


@pytest.mark.parametrize("name", NAMES)
def test_the_state_keys_are_on_the_page(name):
    for key in list_detectors()[name]["class"]().get_state():
        assert f"`{key}`" in page(name) or key.startswith("latest_incident_")
