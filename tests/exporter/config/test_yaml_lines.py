"""YAML with line numbers, duplicate keys, environment variables and bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import yaml_lines

ENVIRONMENT = {"NAME": "fraud", "NUMBER": "5", "EMPTY": "", "TRICKY": "a: [1, 2]\n- b", "SECRET": "it's\nsecret"}


def read(text):
    return yaml_lines.read(text, "f.yml", ENVIRONMENT)


def data(text):
    document = read(text)
    assert not document.problems, document.problems
    return document.data


def problems(text):
    return [str(problem) for problem in read(text).problems]


def test_every_key_and_every_entry_has_its_line():
    lines = read("a: 1\nb:\n  c:\n  - x\n  -\n    d: 2\n").lines
    assert lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 4,
        ("b", "c", 1): 6,
        ("b", "c", 1, "d"): 6,
    }


def test_a_path_that_is_not_in_the_file_has_the_line_of_what_is_above_it():
    document = read("a: 1\nb:\n- c: 2\n")
    assert document.line(("b", 0, "missing", "deeper")) == 3


def test_an_empty_document_has_no_data():
    assert data("") is None
    assert data("# only a comment\n") is None


def test_keys_stay_as_they_are_written():
    assert data("on: 1\n2024-01-01: 2\n3: 4\n~: 5\n") == {"on": 1, "2024-01-01": 2, "3": 4, "~": 5}


def test_dates_stay_texts_and_the_rest_is_yaml():
    assert data("[2024-01-01, yes, 0x10, 1.5, null, '7', =, <<]") == ["2024-01-01", True, 16, 1.5, None, "7", "=", "<<"]


def test_a_merge_key_adds_what_is_not_written_and_the_first_of_several_wins():
    text = "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {<<: [*a, *b], y: 5}\nd:\n  <<: *b\n  x: 6\n"
    assert data(text)["c"] == {"x": 1, "y": 5, "z": 4}
    assert data(text)["d"] == {"x": 6, "z": 4}


def test_a_merged_key_has_the_line_where_it_is_written():
    assert read("a: &a\n  x: 1\nb:\n  <<: *a\n").lines["b", "x"] == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${NAME}", "fraud"),
        ("a: x-${NAME}-${NUMBER}", "x-fraud-5"),
        ("a: ${NUMBER}", 5),
        ("a: '${NUMBER}'", "5"),
        ("a: ${NUMBER}.5", 5.5),
        ("a: ${EMPTY}", None),
        ("a: '${EMPTY}'", ""),
        ("a: $${NAME}", "${NAME}"),
        ("a: $$$${NAME}", "$${NAME}"),
        ("a: 5$ $NAME", "5$ $NAME"),
        ("a: ${TRICKY}", "a: [1, 2]\n- b"),
    ],
)
def test_the_environment_takes_the_place_of_a_reference(text, value):
    assert data(text) == {"a": value}


def test_references_in_keys_are_left_alone():
    assert data("${NAME}: 1") == {"${NAME}": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "f.yml:3: a: duplicate key, first on line 1"),
        ("x:\n- a: 1\n  a: 1", "f.yml:3: x[0].a: duplicate key, first on line 2"),
        ("a: ${GONE}", "f.yml:1: a: the environment variable GONE is not set"),
        ("a: ${1X}", "f.yml:1: a: expected ${NAME} with the name of an environment variable, got '${1X}'"),
        ("a: x ${NAME", "f.yml:1: a: expected ${NAME} with the name of an environment variable, got '${NAME'"),
        (
            "a: [${NAME}]",
            "f.yml:1: not YAML: while parsing a flow sequence, expected ',' or ']', but got '{'"
            '; inside [] and {} write "${NAME}" in quotes',
        ),
        (
            "a:\n\tb: 1",
            "f.yml:2: not YAML: while scanning for the next token, found character '\\t' that cannot start any token"
            "; indent with blanks, not with tabs",
        ),
        ("a: [1", "f.yml:1: not YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 1", "f.yml:2: not YAML: expected a single document in the stream, but found another document"),
        ("a: *b", "f.yml:1: not YAML: found undefined alias 'b'"),
        ("a: 1\nb: \x07", "f.yml:2: not YAML: the character '\\x07' is not allowed"),
        ('a: "\\UFFFFFFFF"', "f.yml:1: not YAML: an escape or a number is out of range"),
        ('a: "\\ud800"', "f.yml:1: a: expected Unicode text without NUL characters"),
        ('a: "\\0"', "f.yml:1: a: expected Unicode text without NUL characters"),
        ("? [a]\n: 1", "f.yml:1: expected a text as key"),
        (
            "a: !!python/object:os.system x",
            "f.yml:1: a: the tag 'tag:yaml.org,2002:python/object:os.system' is not supported",
        ),
        ("a: !x {b: 1}", "f.yml:1: a: the tag '!x' is not supported"),
        ("a: !!int x", "f.yml:1: a: 'x' is no int"),
        ("a: !!bool x", "f.yml:1: a: 'x' is no bool"),
        ("a: .nan", "f.yml:1: a: expected a finite number"),
        ("a: [1, -.inf]", "f.yml:1: a[1]: expected a finite number"),
        ("a: 99999999999999999999", "f.yml:1: a: expected a number of at most 64 bits"),
        ("a:\n  <<: 5", "f.yml:2: a: expected a mapping, or a list of mappings, to merge"),
        ("a: &a {<<: *a}", "f.yml:1: a: expected a mapping, or a list of mappings, to merge"),
        ("a b: .nan\n", 'f.yml:1: "a b": expected a finite number'),
    ],
)
def test_each_fault_has_its_text(text, problem):
    assert problems(text) == [problem]


def test_a_value_that_cannot_be_used_is_left_out_of_its_mapping():
    document = read("a: {b: .nan, c: 1}\nd: [.nan, 2]")
    assert document.data == {"a": {"c": 1}, "d": [None, 2]}


def test_all_faults_are_found_at_once():
    assert len(problems("a: 1\nb: ${GONE}\na: 1\nc: !x y\nd: .nan\n")) == 4


def test_the_first_problem_of_a_value_hides_later_ones():
    document = read("a: .nan")
    document.report(("a",), "missing")
    assert len(document.problems) == 1


def test_a_problem_shows_the_reference_and_not_what_the_environment_holds():
    document = read("a: {b: 'x ${SECRET}'}")
    document.report(("a",), "got it's\nsecret")
    document.report(("a", "b"), f"got {ENVIRONMENT['SECRET']!r}")
    assert [problem.text for problem in document.problems] == ["got ${SECRET}", 'got "${SECRET}"']


def test_a_long_problem_is_cut():
    document = read("a: 1")
    document.report((), "x" * 10_000)
    assert len(document.problems[0].text) == yaml_lines.MAX_PROBLEM_CHARACTERS + 1


def test_a_deep_document_is_refused():
    levels = yaml_lines.MAX_DEPTH
    assert problems("a: " + "[" * (levels + 1) + "]" * (levels + 1))[0].endswith("nested more than 50 levels deep")
    assert problems("a: " + "[" * 20_000)[0] == "f.yml:1: nested more than 50 levels deep"
    assert not problems("a: " + "[" * levels + "]" * levels)


def test_a_large_document_is_refused():
    assert problems("#" * (yaml_lines.MAX_CHARACTERS + 1)) == ["f.yml:1: larger than 1048576 characters"]


TOO_MANY = "f.yml:1: more than 100000 values, aliases counted as often as they are used"


def test_aliases_cannot_unfold_into_a_large_document():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert problems("\n".join(lines)) == [TOO_MANY]


def test_merge_keys_cannot_unfold_into_a_large_document():
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]
    assert problems("\n".join(lines)) == [TOO_MANY]


def test_an_alias_within_its_own_anchor_is_refused():
    assert any("nested more than 50 levels deep" in problem for problem in problems("a: &a [*a]"))


INDICATORS = list("ab:-?,[]{}#&*!|>'\"%@`\\$~<=.0x1e_ \n\t\0\ufeff\u2028é")
WORDS = [
    "a: ",
    "- ",
    "\n  ",
    "&a ",
    "*a",
    "<<: ",
    "!x ",
    "!!int ",
    "!!bool ",
    "!!float ",
    "${NAME}",
    "yes",
    ".nan",
    "---",
]


@settings(max_examples=1500, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(INDICATORS + WORDS), max_size=40).map("".join)))
def test_garbage_gives_data_or_problems_and_never_an_exception(text):
    document = read(text)
    assert document.problems or data(text) == document.data
    assert all("\n" not in str(problem) and problem.line >= 1 for problem in document.problems)
