"""Rows as JSON and CSV."""

import csv
import io

import msgspec
import pytest

from exporter.history.export import PIECE, as_csv, as_json


@pytest.mark.parametrize("count", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
def test_json_is_whole_whatever_the_pieces(count: int) -> None:
    rows = [{"n": n, "text": 'a "b"'} for n in range(count)]
    assert msgspec.json.decode(b"".join(as_json("rows", rows))) == {"rows": rows}


def test_csv_is_read_back_as_it_was() -> None:
    rows = [{"a": 'x,"y"\nz', "b": 1.5, "c": None}, {"a": "ä", "b": -2, "c": {"k": [1]}}, {"a": True}]
    text = b"".join(as_csv(["a", "b", "c"], rows)).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["a", "b", "c"],
        ['x,"y"\nz', "1.5", ""],
        ["ä", "-2", '{"k":[1]}'],
        ["true", "", ""],
    ]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_text_is_run_by_a_spreadsheet(text: str) -> None:
    [_, [cell]] = csv.reader(io.StringIO(b"".join(as_csv(["a"], [{"a": text}])).decode(), newline=""))
    assert cell == f"'{text}"


def test_rows_are_written_as_they_come() -> None:
    taken = []

    def rows() -> object:
        for n in range(10 * PIECE):
            taken.append(n)
            yield {"n": n}

    pieces = as_json("rows", rows())  # type: ignore[arg-type]
    next(pieces), next(pieces)
    assert len(taken) == PIECE
