"""Baselines on the disk."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from exporter.anomalies.blocks import Points
from exporter.anomalies.kept import SUFFIX, Chosen, Kept, Unusable
from exporter.anomalies.learning import baselines_of, residuals_of
from exporter.anomalies.watched import Trained, TrainedSeries
from exporter.config.anomalies import AnomalyQuery, LearnedNormal, ResolvedQuery
from tests.exporter.anomalies.conftest import NOW, daily

TIMES = np.arange(NOW - 2 * 86_400, NOW, 60.0)
QUERY = LearnedNormal().resolved(AnomalyQuery(name="cpu/0", expr="cpu", group="node"))


def trained(version: str, query: ResolvedQuery = QUERY) -> Trained:
    contexts = np.full(len(TIMES), "", dtype=object)
    contexts[::10] = "deployment"
    points = Points(TIMES, daily(TIMES))
    baselines = baselines_of(points, query, contexts, ())
    learned = TrainedSeries({"a": "1"}, baselines, len(TIMES), residuals_of(points, baselines[""]))
    return Trained(version, {"id": learned}, float(TIMES[-1]), NOW, 0.5)


def test_what_is_read_judges_as_what_was_written(tmp_path: Path) -> None:
    kept, written = Kept(tmp_path, 3), trained("v1")
    kept.save(QUERY, written)
    read = kept.current(QUERY)
    assert read is not None
    assert (read.version, read.until, read.learned_at, read.seconds) == ("v1", TIMES[-1], NOW, 0.5)
    before, after = written.series["id"], read.series["id"]
    assert (after.labels, after.points, set(after.baselines)) == ({"a": "1"}, len(TIMES), {"", "deployment"})
    assert before.residuals is not None
    assert after.residuals is not None
    np.testing.assert_array_equal(after.residuals.values, before.residuals.values)
    later = np.arange(NOW, NOW + 3600, 60.0)
    for name in after.baselines:
        one, two = (learned.baselines[name].judge(later, daily(later) + 3) for learned in (before, after))
        np.testing.assert_array_equal(one.score, two.score)
        np.testing.assert_array_equal(one.upper, two.upper)


def test_only_the_newest_versions_are_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 2)
    for version in ("v1", "v2", "v3"):
        kept.save(QUERY, trained(version))
    assert kept.versions("cpu/0") == ["v2", "v3"]
    assert kept.versions("another") == []


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state", 2)
    for name in ("..", ".", "../x", "a/b"):
        query = msgspec.structs.replace(QUERY, name=name)
        kept.save(query, trained("v1", query))
        assert kept.versions(name) == ["v1"]
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert all(path.suffix == SUFFIX for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "change",
    [{"expr": "memory"}, {"step": 120.0}, {"options": msgspec.structs.replace(QUERY.options, min_deviation=1.0)}],
)
def test_what_was_learned_otherwise_is_not_used(tmp_path: Path, change: dict[str, object]) -> None:
    kept = Kept(tmp_path, 3)
    kept.save(QUERY, trained("v1"))
    other = msgspec.structs.replace(QUERY, **change)
    assert kept.current(other) is None
    with pytest.raises(Unusable, match="another expression or with other options"):
        kept.load(other, "v1")


def test_a_file_that_is_broken_anywhere_is_refused_and_the_one_before_is_used(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 3)
    kept.save(QUERY, trained("v1"))
    kept.save(QUERY, trained("v2"))
    [path] = tmp_path.rglob(f"v2{SUFFIX}")
    content = path.read_bytes()
    for size in (0, 10, content.index(b"\n") + 1, content.index(b"\n") + 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        newest = kept.current(QUERY)
        assert newest is not None
        assert newest.version == "v1"
    path.write_bytes(content.replace(content[-50:], b"\xff" * 50))
    with pytest.raises(Unusable):
        kept.load(QUERY, "v2")


def test_a_version_that_was_gone_back_to_is_the_current_one_until_another_is_saved(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 3)
    for version in ("v1", "v2"):
        kept.save(QUERY, trained(version))
    kept.choose(QUERY.name, "v1", NOW)
    current, chosen = kept.current(QUERY), kept.chosen(QUERY.name)
    assert current is not None
    assert (current.version, chosen) == ("v1", Chosen("v1", NOW))
    assert kept.versions(QUERY.name) == ["v1", "v2"]
    kept.save(QUERY, trained("v3"))
    current = kept.current(QUERY)
    assert current is not None
    assert (current.version, kept.chosen(QUERY.name)) == ("v3", None)


@pytest.mark.parametrize(
    "written",
    [b"", b"{}", b'{"version": "\xff"}', b'{"version": "../v1", "at": 1}', b'{"version": "v9", "at": 1}'],
)
def test_a_choice_that_cannot_be_used_leaves_the_newest_one(tmp_path: Path, written: bytes) -> None:
    kept = Kept(tmp_path, 3)
    kept.save(QUERY, trained("v1"))
    kept.choose(QUERY.name, "v1", NOW)
    [path] = tmp_path.rglob("chosen.json")
    path.write_bytes(written)
    current = kept.current(QUERY)
    assert current is not None
    assert current.version == "v1"
