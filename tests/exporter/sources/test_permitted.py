"""Records of models that a key is not for."""

import msgspec
import pytest

from exporter.config import Limits
from exporter.formats import native
from exporter.sources.permitted import CODE, permitted


def taken(body: bytes, unnamed: str = "default") -> tuple[list[str], list[tuple[int, str]]]:
    """The texts that are left, and position and code of every rejection, for a key of the models a and b."""
    queries, rejections = native.decode(body, Limits())
    queries, rejections = permitted(queries, rejections, body, {"a", "b"}, unnamed)
    return [str(query.input_data) for query in queries], [(one.index, one.code) for one in rejections]


def body(*models: str | None) -> bytes:
    return msgspec.json.encode([{"input": str(place), "model": model} for place, model in enumerate(models)])


def test_records_of_the_models_of_the_key_are_left_alone() -> None:
    assert taken(body("a", "b", "a")) == (["0", "1", "2"], [])


def test_records_of_other_models_are_rejected_at_their_place() -> None:
    assert taken(body("a", "c", "b", "A")) == (["0", "2"], [(1, CODE), (3, CODE)])


@pytest.mark.parametrize(("unnamed", "rejected"), [("a", []), ("default", [(0, CODE)])])
def test_a_record_without_a_model_is_of_the_model_that_it_would_be_judged_as(
    unnamed: str, rejected: list[tuple[int, str]]
) -> None:
    assert taken(body(None), unnamed)[1] == rejected


def test_places_are_right_among_other_rejections_and_empty_lines() -> None:
    lines = b'{"input":"0","model":"c"}\n\n{"input":[]}\n{"input":"3","model":"a"}\nnonsense\n{"input":"5"}\n'
    assert taken(lines) == (["3"], [(0, CODE), (2, "invalid_input"), (4, "malformed"), (5, CODE)])


def test_the_rejections_of_the_others_are_kept_where_all_is_permitted() -> None:
    assert taken(b'{"input":"a","model":"a"}\n{}\n') == (["a"], [(1, "missing_field")])
