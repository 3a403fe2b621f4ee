"""The format of one segment file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.storage.segment import Damaged, encode, first_numbers, header, read_segment, segment_path


def read(path: Path, first: int) -> tuple[list[bytes], int | None]:
    """The records of a file, and the offset of the damage if there is any."""
    records = []
    try:
        for record, _ in read_segment(path, first):
            records.append(record)
    except Damaged as damaged:
        return records, damaged.offset
    return records, None


@given(first=st.integers(1, 2**63), records=st.lists(st.binary(max_size=300), max_size=10))
def test_records_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, first: int, records: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("segment") / "file"
    path.write_bytes(header(first) + b"".join(encode(first, records)))
    assert read(path, first) == (records, None)
    assert [offset for _, offset in read_segment(path, first)][-1:] == [path.stat().st_size] * bool(records)


def test_a_record_of_another_place_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(header(7) + b"".join(encode(7, [b"a"])) + b"".join(encode(9, [b"b"])))
    assert read(path, 7) == ([b"a"], len(header(7) + b"".join(encode(7, [b"a"]))))


@pytest.mark.parametrize(
    "content", [b"", header(8), header(7)[:-1], header(7).replace(b"\x01", b"\x02", 1), b"garbage" * 10]
)
def test_a_file_without_its_header_holds_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read(path, 7) == ([], 0)


def test_a_length_beyond_the_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(header(1) + b"\xff" * 12)
    assert read(path, 1) == ([], len(header(1)))


def test_damage_is_described_by_its_place() -> None:
    assert str(Damaged(20)) == "no record at byte 20"


def test_only_segments_are_found_and_in_order(tmp_path: Path) -> None:
    for first in (10, 9, 2):
        segment_path(tmp_path, first).touch()
    for name in ("lock", "new.tmp", "3.journal", "00000000000000000004.journal.corrupt", "x" * 20 + ".journal"):
        (tmp_path / name).touch()
    assert first_numbers(tmp_path) == [2, 9, 10]
