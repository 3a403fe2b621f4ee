"""Memory for evidence."""

from exporter.clients.budget import EvidenceBudget
from exporter.clients.memory import MODEL_BYTES
from exporter.config import Config, Limits, Model


def config(limit: int, *names: str) -> Config:
    return Config(models=tuple(Model(name=name) for name in names), limits=Limits(evidence_bytes=limit))


def test_configured_models_share_three_quarters() -> None:
    budget = EvidenceBudget(config(400_000, "a", "b"))
    assert [budget.take("a"), budget.take("b")] == [150_000, 150_000]


def test_the_others_take_ever_less_of_what_is_left_and_never_more_than_there_is() -> None:
    budget = EvidenceBudget(config(400_000, "a"))
    sizes = [budget.take("a"), *(budget.take(f"other-{number}") for number in range(1000))]
    assert sizes[:3] == [300_000, 25_000, 18_750]
    assert sum(sizes) <= 400_000


def test_one_model_never_takes_more_than_its_bound() -> None:
    budget = EvidenceBudget(config(1 << 40, "a"))
    assert budget.take("a") == budget.take("unknown") == MODEL_BYTES
