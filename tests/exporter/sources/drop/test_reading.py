"""What is read out of files, what is refused, and the bounds of both."""

import base64
import gzip
import json
import tracemalloc

import numpy as np
import pytest

from exporter.sources.drop import reading
from tests.exporter.sources.drop.conftest import LIMITS, ndjson, picture, texts

# -- what is read


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"input": "one"}'),
        ("a.json", '\ufeff {\n  "input": "one"\n}\n'),
        ("a.json", '[{"input": "one"}]'),
        ("a.json", '{"input": "one"}\n'),
        ("a.ndjson", '\n{"input": "one"}\n\n'),
        ("a.jsonl", '\ufeff{"input": "one"}'),
        ("a.csv", "input\none\n"),
        ("a.csv", '\ufeffinput,model\r\n"one",m\r\n'),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_each_format_is_read_plain_and_compressed(desk, name, text, compressed):
    data = text.encode()
    desk.drop(f"{name}.gz" if compressed else name, gzip.compress(data) if compressed else data)
    assert desk.inputs() == ["one"]
    assert (desk.queries.files.read, sum(desk.queries.files.failed.values())) == (1, 0)
    assert desk.names("done") == [f"{name}.gz" if compressed else name]


@pytest.mark.parametrize("text", [ndjson("abc"), "[" + ndjson("abc").strip().replace("\n", ",\n") + "]"])
def test_a_json_file_holds_many_queries_as_lines_or_as_an_array(desk, text):
    desk.drop("a.json", text)
    assert desk.inputs() == ["a", "b", "c"]


def test_rows_of_a_table_are_queries_with_their_features(desk):
    desk.drop("a.csv", 'client,age,city\r\n7,25,"New\nYork"\r\n8,,Rome\r\n')
    first, second = desk.read()
    assert (first.client, first.input_data) == ("7", {"age": 25, "city": "New\nYork"})
    assert (second.client, second.input_data) == ("8", {"city": "Rome"})


def test_a_picture_is_a_query_with_the_fields_beside_it(desk):
    desk.drop("cat.png", picture())
    desk.drop("cat.json", '{"model": "cats", "client": "7"}')
    (query,) = desk.read()
    np.testing.assert_array_equal(query.input_data, np.full((4, 4, 3), 7))
    assert (query.model, query.client, query.modality) == ("cats", "7", "image")
    assert desk.names("done") == ["cat.json", "cat.png"]
    assert desk.queries.files.read == 1


def test_a_picture_alone_is_a_query(desk):
    desk.drop("cat.PNG", picture())
    (query,) = desk.read()
    assert query.input_data.dtype == np.uint8


@pytest.mark.parametrize(
    "beside", ["{", "[1]", '{"input": "x"}', "\xff", '{"x": "' + "x" * (1 << 20) + '"}', "[" * 9999]
)
def test_a_picture_with_a_bad_file_beside_it_fails_with_it(desk, beside):
    desk.drop("cat.png", picture())
    desk.drop("cat.json", beside.encode("latin-1"))
    assert desk.read() == []
    assert desk.queries.files.failed["unreadable"] == 1
    assert {"cat.json", "cat.png"} < set(desk.names("failed"))


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"no picture", "invalid_input"), (picture()[:50], "invalid_input"), (picture(101), "too_large")],
)
def test_a_picture_that_cannot_be_decoded_fails(desk, data, code):
    desk.drop("cat.png", data)
    assert desk.read() == []
    assert desk.queries.counts.rejected[code] == 1
    assert desk.queries.files.failed["unreadable"] == 1
    assert desk.report()[0]["code"] == code


def test_a_picture_file_that_is_too_large_to_be_one_is_not_read(desk):
    desk.drop("cat.png", bytes(40_001))
    assert desk.read() == []
    assert desk.queries.files.failed["too_large"] == 1


def test_queries_with_times_of_their_own_say_so(desk):
    desk.drop("a.ndjson", '{"input": "a", "timestamp": 5}\n{"input": "b"}\n')
    desk.drop("b.ndjson", '{"input": "c"}\n')
    desk.settle()
    first, second = desk.poll()
    assert (first.own_time, first.received, [query.timestamp for query in first.queries]) == (True, 1e9, [5, None])
    assert (second.own_time, second.received) == (False, 1e9)
    assert {first.source, second.source} == {"drop"}


# -- what is refused


def test_bad_lines_are_reported_and_good_ones_count(desk):
    desk.drop("a.ndjson", '{"input": "a"}\n\njunk\n{"output": [1]}\n{"input": "b"}\n')
    assert desk.inputs() == ["a", "b"]
    entries = desk.report()
    assert "JSON" in entries[0].pop("reason")
    assert "input" in entries[1].pop("reason")
    assert entries == [
        {
            "file": "a.ndjson",
            "line": 3,
            "offset": 16,
            "code": "malformed",
            "raw": "junk",
        },
        {
            "file": "a.ndjson",
            "line": 4,
            "offset": 21,
            "code": "missing_field",
            "raw": '{"output": [1]}',
        },
    ]
    assert desk.queries.counts.rejected == {"malformed": 1, "missing_field": 1}
    assert sum(desk.queries.files.failed.values()) == 0
    assert desk.names("done") == ["a.ndjson"]


def test_bad_rows_are_reported_by_their_physical_line(desk):
    desk.drop("a.csv", 'a,b\n"1\n1",2\n1\n3,"4\n5,6\n')
    assert [query.input_data for query in desk.read()] == [{"a": "1\n1", "b": 2}, {"a": 5, "b": 6}]
    assert [(entry["line"], entry["code"]) for entry in desk.report()] == [(4, "malformed"), (5, "malformed")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.csv", b"a,a\n1,2\n", "the header: two columns are named 'a'"),
        ("a.csv", b"a,\n1,2\n", "the header: column 2 has no name"),
        ("a.csv", b'"a\n1\n', "the header: a quote is not closed"),
        ("a.csv", b"\xff\xfea\0,\0", "the header: not UTF-8"),
        ("a.csv", b"\xef\xbb\xbf", "the header: is missing"),
        ("a.csv", b"x" * 5000 + b"\n1\n", "the header: a line of more than 4096 bytes"),
        ("a.ndjson", b"junk\n", "no JSON object"),
        ("a.json", b'{\n"input":\n}', "no JSON object"),
        ("a.json", b"[tru]", "no JSON object"),
        ("a.json", b'[{"a": 1}', "line 1: the array is not closed"),
        ("a.json.gz", b"no gzip", "gzip: Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"a\n1\n", mtime=0)[:-12], "gzip: "),
        ("a.ndjson.gz", gzip.compress(b'{"input": 1}\n', mtime=0)[:-6] + b"broken", "gzip: CRC check failed"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_moved_to_failed_with_its_reason(desk, name, data, reason):
    desk.drop(name, data)
    desk.read()
    assert desk.queries.files.failed == {**dict.fromkeys(desk.queries.files.failed, 0), "unreadable": 1}
    assert name in desk.names("failed")
    assert desk.names() == ["failed"]
    assert desk.report()[-1]["reason"].startswith(reason)


def test_what_comes_before_the_break_of_a_file_counts(desk):
    text = ndjson(range(3000))
    data = gzip.compress(text.encode())
    desk.drop("a.ndjson.gz", data[: len(data) // 2])
    found = desk.inputs()
    assert found == texts(len(found))
    assert found
    assert desk.queries.files.failed["unreadable"] == 1
    assert desk.names("failed")[0].startswith("a.")


def test_a_line_beyond_the_limit_is_refused_and_reading_goes_on(desk):
    desk.drop("a.ndjson", ndjson("a") + "x" * 9000 + "\n" + ndjson("b"))
    assert desk.inputs() == ["a", "b"]
    (entry,) = desk.report()
    assert (entry["line"], entry["code"]) == (2, "too_large")


def test_an_element_beyond_the_limit_ends_the_file(desk):
    desk.drop("a.json", '[{"input": "a"}, {"input": "' + "x" * 9000 + '"}, {"input": "b"}]')
    assert desk.inputs() == ["a"]
    assert desk.queries.files.failed["too_large"] == 1


def test_a_compressed_bomb_ends_early(desk, monkeypatch):
    monkeypatch.setattr(reading, "UNFOLDED_BYTES", 1 << 20)
    monkeypatch.setattr(reading, "UNFOLDED_FACTOR", 20)
    desk.drop("a.ndjson.gz", gzip.compress(ndjson("a").encode() + (b" " * 99 + b"\n") * 200_000))
    assert desk.inputs() == ["a"]
    assert desk.queries.files.failed["too_large"] == 1
    assert desk.report()[-1]["offset"] < 10_000_000


def test_deep_nesting_and_broken_utf8_are_refused_like_any_bad_line(desk):
    deep = b'{"input": {"a": ' + b"[" * 3000 + b"\n"
    desk.drop("a.ndjson", deep + b'{"input": "\xff"}\n' + ndjson("a").encode())
    assert desk.inputs() == ["a"]
    assert desk.queries.counts.rejected == {"malformed": 2}


def test_a_fault_in_a_decoder_fails_the_file_and_not_the_source(desk, monkeypatch, caplog):
    def fail(raw, limits):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("exporter.formats.native.decode_line", fail)
    desk.drop("a.ndjson", ndjson("a"))
    desk.drop("b.csv", "input\nb\n")
    assert desk.inputs() == ["b"]
    assert desk.queries.files.failed["unreadable"] == 1
    assert "the reader failed on a drop file" in caplog.text


# -- bounds


@pytest.mark.parametrize("name", ["a.ndjson", "a.json", "a.csv", "a.ndjson.gz"])
def test_a_large_file_is_streamed(desk, name):
    text = "x" * 2000
    with (gzip.open if name.endswith("gz") else open)(desk.folder / name, "wt") as writer:
        writer.write({"a.csv": "input\n", "a.json": "["}.get(name, ""))
        for number in range(15_000):
            comma = "," if number and name == "a.json" else ""
            writer.write(f"{text}\n" if name == "a.csv" else f'{comma}{{"input": "{text}"}}\n')
        writer.write("]" if name == "a.json" else "")
    desk.settle()
    tracemalloc.start()
    queries = 0
    while delivery := desk.queries.poll():
        queries += len(delivery.queries)
        assert delivery.size <= reading.CHUNK_BYTES + LIMITS.body_bytes
        delivery.done(())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert queries == 15_000
    assert most < 8 << 20


def test_pictures_in_lines_count_with_their_pixels(desk):
    line = json.dumps({"input": {"image_base64": base64.b64encode(picture(100)).decode()}}) + "\n"
    desk.drop("a.ndjson", line * 100)
    desk.settle()
    assert [len(delivery.queries) for delivery in desk.poll()] == [35, 35, 30]
