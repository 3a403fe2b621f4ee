"""The description of the interface against the service: requests made from it, right and wrong ones."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from exporter.api.app import build
from soak.fuzz import Target

DESCRIBED = build(None, "/metrics").openapi()
OPERATIONS = [
    (path, method, mode)
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
    for mode in GenerationMode
    if mode.is_positive or "requestBody" in operation  # without a body there is nothing that could be wrong
]
#: pages and health answer the same whatever is sent with the request; each example more is the same example
EXAMPLES = {"post": 100, "get": 3}
#: what a schema cannot say is in the answer: of wrong records the others are taken, and an empty input is refused
NOT_SAID = [checks.positive_data_acceptance, checks.negative_data_rejection]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    started = Target(tmp_path_factory.mktemp("openapi"))
    yield started
    started.stop()


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_answers_are_as_described(target: Target, path: str, method: str, mode: GenerationMode) -> None:
    described: Any = requests.get(f"{target.url}/openapi.json", timeout=30).json()
    operation = schemathesis.openapi.from_dict(described)[path][method]

    @settings(
        max_examples=EXAMPLES[method],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=target.url, excluded_checks=NOT_SAID, timeout=30)

    answers()
