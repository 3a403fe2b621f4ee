"""The course of series, in memory and in files."""

from pathlib import Path

import numpy as np
import pytest

from exporter.anomalies import course as module
from exporter.anomalies.course import ROW, Course, CourseFiles, Judged

STEP = 300.0


def point(time: float, score: float = 0.0) -> Judged:
    return Judged(time, time / 7, score, 1.0, 0.5, 1.5)


def taken(course: Course, minutes: int, first: float = 0.0) -> list[tuple[str, Judged]]:
    """Live through minutes; what has ended, as it is written."""
    points = (course.take(point(first + 60 * minute), STEP) for minute in range(minutes))
    return [("s", one) for one in points if one is not None]


def test_of_each_step_the_oddest_point_is_kept_at_the_beginning_of_the_step() -> None:
    course = Course()
    for minute, score in enumerate([0, 3, 1, 0, 0, 2, 0]):
        course.take(point(60.0 * minute, score), STEP)
    assert [(one.time, one.score, one.value) for one in course] == [(0, 3, 60 / 7), (300, 2, 300 / 7)]


def test_the_oldest_points_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COURSE_POINTS", 4)
    course = Course()
    taken(course, 60)
    assert [one.time for one in course] == [2100, 2400, 2700, 3000, 3300]
    assert len(course) == 5


def test_what_is_written_is_read_and_a_step_that_lasted_goes_on(tmp_path: Path) -> None:
    files, course = CourseFiles(tmp_path / "courses"), Course()
    files.append("a/b", taken(course, 13), {"s": course})
    assert course.open_point is not None
    files.append("a/b", [("s", course.open_point)], {"s": course})
    again = files.read("a/b")["s"]
    assert list(again) == list(course)
    files.append("a/b", taken(again, 8, 780.0), {"s": again})
    assert [one.time for one in files.read("a/b")["s"]] == [0, 300, 600, 900]
    assert files.read("other") == {}


def test_a_row_that_was_torn_costs_only_itself(tmp_path: Path) -> None:
    files, course = CourseFiles(tmp_path), Course()
    files.append("load", taken(course, 21), {"s": course})
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert len(files.read("load")["s"]) == 3
    files.append("load", taken(course, 10, 1260.0), {"s": course})
    assert [one.time for one in files.read("load")["s"]] == [0, 300, 600, 1200, 1500]


def test_a_row_that_is_damaged_costs_only_itself(tmp_path: Path) -> None:
    files, course = CourseFiles(tmp_path), Course()
    files.append("load", taken(course, 21), {"s": course})
    [path] = tmp_path.iterdir()
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    assert len(files.read("load")["s"]) == 3


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COURSE_POINTS", 5)
    files, course = CourseFiles(tmp_path), Course()
    for number in range(100):
        files.append("load", taken(course, 5, 300.0 * number), {"s": course})
        [path] = tmp_path.iterdir()
        assert path.stat().st_size <= 10 * ROW.itemsize
    assert [one.time for one in files.read("load")["s"]][-1] == 98 * STEP


def test_a_disk_that_takes_nothing_is_counted(tmp_path: Path) -> None:
    (tmp_path / "courses").write_text("no folder")
    files, course = CourseFiles(tmp_path / "courses"), Course()
    files.append("load", taken(course, 6), {"s": course})
    assert files.failures == 1
    assert np.isfinite([one.time for one in course]).all()


def test_until_when_queries_were_judged_is_read_again(tmp_path: Path) -> None:
    CourseFiles(tmp_path / "courses").write_until({"load": 60.0})
    assert CourseFiles(tmp_path / "courses").until() == {"load": 60.0}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"load": "x"}', b"[" * 100_000])
def test_a_damaged_file_of_times_says_nothing(tmp_path: Path, content: bytes) -> None:
    files = CourseFiles(tmp_path / "courses")
    files.write_until({"load": 60.0})
    (tmp_path / "judged.json").write_bytes(content)
    assert files.until() == {}
