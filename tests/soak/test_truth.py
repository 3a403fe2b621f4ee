"""Holding a state against what an uninterrupted run over the same journal gives."""

from pathlib import Path

import pytest

from detectors import Query
from exporter.config_file import load
from exporter.delivery import Delivery
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.storage.journal import Journal
from soak.truth import KeptJournal, differences, judged_at_once

CONFIG = "models: [{name: m, modality: text, detectors: [repetition, similarity]}]"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "vedette.yml"
    path.write_text(CONFIG)
    return path


def queries(*texts: str) -> list[Query]:
    return [Query(text, model="m") for text in texts]


def written(folder: Path, config_file: Path, *texts: str) -> None:
    """Write a delivery a text into a journal, in one run."""
    journal = Journal(folder, max_bytes=1 << 20, sync=False)
    ledger = Ledger(Pipeline(Models(load(config_file)), 100, 1 << 20), journal, sync=False)
    for text in texts:
        ledger.take(Delivery("push", queries(text), received=5.0))
    journal.stop()


def test_what_a_journal_has_forgotten_is_still_judged(tmp_path: Path, config_file: Path) -> None:
    kept = KeptJournal(tmp_path / "journal", tmp_path / "kept")
    for text in ("one", "two", "two"):
        written(tmp_path / "journal", config_file, text)
        kept.keep()
    oldest = min((tmp_path / "journal").glob("*.journal"))
    oldest.unlink()
    pipeline, times = judged_at_once(config_file, kept)
    assert times == {"one": 1, "two": 2}
    assert pipeline.models.of("m").queries == 3


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("one", "two"), []),
        (("one",), ["m: queries 1, not 2"]),
        (("one", "three"), ["m/text_repetition: repetition_counts", "m/text_similarity: the rows"]),
        (("two", "one"), ["m/text_similarity: the rows"]),
    ],
)
def test_a_state_that_is_another_is_told_in_words(config_file: Path, texts: tuple[str, ...], said: list[str]) -> None:
    found = differences(pipeline(config_file, *texts), pipeline(config_file, "one", "two"))
    assert bool(found) == bool(said)
    for words in said:
        assert any(line.startswith(words) for line in found), found


def pipeline(config_file: Path, *texts: str) -> Pipeline:
    made = Pipeline(Models(load(config_file)), 100, 1 << 20)
    made.judge([Delivery("push", queries(*texts), received=5.0)])
    return made
