import contextlib
import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import Limits
from exporter.formats import Refused, Unreadable, native
from exporter.formats.split import lines
from exporter.formats.table import FIELDS, cells, event, header, number_or_text, rows

LIMIT = 1 << 20
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
weird = st.lists(st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "a", " ", "é", "1"]), max_size=6).map("".join)
tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(texts | weird, min_size=width, max_size=width), min_size=1, max_size=8)
)


def split(data, limit=LIMIT):
    return list(rows(lines(io.BytesIO(data), limit), limit))


def written(table, **options):
    text = io.StringIO(newline="")
    csv.writer(text, **options).writerows(table)
    return text.getvalue().encode()


#: with "\n" as its line end, the csv module does not quote a "\r" that it would not read back itself
DIALECTS = [(csv.QUOTE_ALL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_MINIMAL, "\r\n")]


@given(tables, st.sampled_from(DIALECTS))
def test_what_the_csv_module_writes_is_read_back(table, dialect):
    quoting, end = dialect
    records = split(written(table, quoting=quoting, lineterminator=end))
    assert [record.refused for record in records] == [None] * len(table)
    assert [cells(record.raw) for record in records] == table


@given(tables)
def test_rows_cover_the_file_without_a_gap_and_lines_are_physical(table):
    data = written(table, quoting=csv.QUOTE_ALL)
    end, line = 0, 1
    for record in split(data):
        assert (record.offset, record.line) == (end, line)
        assert record.raw == data[record.offset : record.end]
        end, line = record.end, record.line + record.raw.count(b"\n")
        assert record.next_line == line
    assert end == len(data)


@given(st.binary(max_size=200), st.integers(1, 40))
def test_any_bytes_give_rows_that_cover_them_or_are_refused(data, limit):
    end = 0
    for record in split(data, limit):
        assert record.offset == end
        end = record.end
    assert end == len(data)


@given(st.text(st.sampled_from('",\n\ra1 '), max_size=60))
def test_reading_on_behind_any_row_gives_the_same_rows(text):
    data = text.encode()
    records = split(data)
    for number, record in enumerate(records):
        again = rows(lines(io.BytesIO(data[record.end :]), LIMIT, record.end, record.next_line), LIMIT)
        assert [(r.raw, r.line, r.offset, bool(r.refused)) for r in again] == [
            (r.raw, r.line, r.offset, bool(r.refused)) for r in records[number + 1 :]
        ]


def test_a_stray_quote_takes_no_other_row_along():
    records = split(b'a,b\n"1,2\n3,4\n5,6"x\n7,8\n')
    assert [(record.line, record.raw) for record in records if not record.refused] == [
        (1, b"a,b\n"),
        (3, b"3,4\n"),
        (5, b"7,8\n"),
    ]
    assert [record.line for record in records if record.refused] == [2, 4]


@pytest.mark.parametrize("raw", [b'a"b"', b'"a"b,c', b'"a" ,c', b"a\rb", b'x,"open'])
def test_broken_quoting_is_refused(raw):
    with pytest.raises(Refused, match="a quote or a line end that does not fit") as refused:
        cells(raw)
    assert refused.value.code == "malformed"


def test_bytes_that_are_no_utf8_are_refused():
    with pytest.raises(Refused, match="not UTF-8"):
        cells(b"\xff,1")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a,b,a\n", "two columns are named 'a'"),
        (b",b\n", "column 1 has no name"),
        (b"a, \n", "column 2 has no name"),
        (b'a,"b\n', "a quote or a line end"),
    ],
)
def test_a_header_that_names_no_column_clearly_is_unreadable(raw, message):
    with pytest.raises(Unreadable, match=message):
        header(raw)


def test_columns_that_are_no_fields_are_features_and_numbers_are_numbers():
    columns = header(b"client,age,income,job,left\r\n")
    assert event(columns, b"7,25,3e4,cook,\r\n") == {
        "client": "7",
        "input": {"age": 25, "income": 30000.0, "job": "cook"},
    }


def test_fields_are_read_by_their_type():
    columns = ["timestamp", "latency_seconds", "tokens", "attributes", "output", "label", "id", "x"]
    row = written([["17", "0.5", '{"input": 3}', '{"a": "b"}', "[0.2, 0.8]", "1", "007", "1"]])
    assert event(columns, row) == {
        "timestamp": 17,
        "latency_seconds": 0.5,
        "tokens": {"input": 3},
        "attributes": {"a": "b"},
        "output": [0.2, 0.8],
        "label": 1,
        "id": "007",
        "input": {"x": 1},
    }


def test_an_output_is_json_or_a_label():
    assert event(["output", "x"], b"cat,1")["output"] == {"label": "cat"}
    assert event(["output", "x"], written([['{"logits": [1, 2]}', "1"]]))["output"] == {"logits": [1, 2]}
    with pytest.raises(Refused, match="output: no JSON list or object"):
        event(["output", "x"], b"[1;2],1")


def test_a_text_input_leaves_the_other_columns_to_the_attributes():
    fields = event(["input", "city", "attributes"], written([["[1, 2]", "Rome", json.dumps({"a": 1})]]))
    assert fields == {"input": "[1, 2]", "attributes": {"city": "Rome", "a": 1}}


@pytest.mark.parametrize(("columns", "raw"), [(["a", "b"], b",\n"), (["input", "b"], b",3\n")])
def test_a_row_without_an_input_is_refused(columns, raw):
    with pytest.raises(Refused, match="empty") as refused:
        event(columns, raw)
    assert refused.value.code == "missing_field"


@pytest.mark.parametrize(("raw", "count"), [(b"1", 1), (b"1,2,3", 3)])
def test_a_row_of_another_width_is_refused(raw, count):
    with pytest.raises(Refused, match=f"{count} cells, but the header names 2"):
        event(["a", "b"], raw)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("-1.5", -1.5), ("+2", 2), (".5", 0.5), ("1e3", 1000.0), ("9" * 30, 1e30), ("007", 7)],
)
def test_decimal_notation_is_a_number(text, value):
    assert number_or_text("x", text) == value


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "0x10", "1e999", " 1", "1,5", "٣", "", "-", "9" * 5000])
def test_anything_else_is_a_text(text):
    assert number_or_text("x", text) == text


@pytest.mark.parametrize("column", ["tokens", "attributes"])
def test_a_mapping_that_is_no_json_object_is_refused(column):
    with pytest.raises(Refused, match=f"{column}: expected a JSON object") as refused:
        event([column, "x"], b"[1],1")
    assert refused.value.code == "wrong_type"


def test_a_row_beyond_the_limit_is_refused_and_the_rows_behind_it_are_read():
    records = split(b'a\n"' + b"x\n" * 30 + b'"\nb\n', limit=20)
    assert records[1].refused
    assert records[-1].raw == b"b\n"
    assert records[-1].refused is None


_cells = st.sampled_from(
    [
        *("", "1", "1e999", "-0", "9" * 30, "9" * 5000, "NaN", "a", "[1,0]", "[" * 5000, '{"logits": [1, 2]}', "{}"),
        *('{"input": 1}', "[" + "9" * 400 + "]", '{"a": ' * 2000, "2026-01-31T12:00:00Z", "0.5", "[2]", '"', "\0"),
    ]
)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text("ab", min_size=1), _cells | st.text(max_size=8)))
@settings(deadline=None)
def test_whatever_stands_in_the_cells_is_a_query_or_refused(row):
    columns = list(row)
    raw = written([list(row.values())])
    with contextlib.suppress(Refused):
        assert native.from_fields(event(columns, raw), Limits()).input_data
