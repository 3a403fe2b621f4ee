"""What the OpenAPI page says of the hot paths."""

from typing import Any

import pytest

from exporter.api.app import build
from exporter.api.openapi import HOT_PATHS
from exporter.formats import custom, inference, native
from tests.exporter.conftest import UNSURE, Exporter


@pytest.fixture
def schema() -> dict[str, Any]:
    return build(None, "/metrics").openapi()


def test_hot_and_cold_paths_are_on_one_page(schema: dict[str, Any]) -> None:
    assert set(schema["paths"]) == {*HOT_PATHS, "/-/reload"}


def test_the_metrics_are_described_where_they_are() -> None:
    paths = build(None, "/probe").openapi()["paths"]
    assert "/probe" in paths
    assert "/metrics" not in paths


def test_the_example_is_taken(serve: Any, schema: dict[str, Any]) -> None:
    body = schema["paths"]["/api/v1/queries"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    answer = serve().push(body["oneOf"][0]["example"])
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize(("source", "record"), [("inference", inference.Sample), ("custom", custom.CustomSample)])
def test_the_example_of_a_sample_is_taken_and_its_fields_are_those_that_are_read(
    serve: Any, schema: dict[str, Any], source: str, record: type
) -> None:
    body = schema["paths"][f"/api/v1/metrics/{source}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    described = body["oneOf"][0]
    assert serve().measure(described["example"], source).status_code == 201
    assert set(described["properties"]) == set(record.__struct_fields__)  # type: ignore[attr-defined]


def test_every_answer_of_the_hot_paths_is_described(serve: Any, schema: dict[str, Any]) -> None:
    exporter: Exporter = serve()
    query = {"input": "a", "output": UNSURE, "id": "1"}
    for path, send in (("/api/v1/queries", exporter.push), ("/detect", exporter.detect)):
        described = schema["paths"][path]["post"]["responses"]
        for body in (query, {}, b"no JSON", {"input": "a", "id": "2"}):
            answer = send(body)
            assert str(answer.status_code) in described
            content = described[str(answer.status_code)]["content"]["application/json"]["schema"]
            assert set(answer.json()) <= {*content["properties"], "detections"}
        assert {"401", "403", "413", "415", "429", "503", "507"} <= set(described)


def test_the_fields_of_a_query_are_those_that_are_read(schema: dict[str, Any]) -> None:
    body = schema["paths"]["/api/v1/queries"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    described = set(body["oneOf"][0]["properties"])
    sent_as = {"input_data": "input", "model_output": "output", "metadata": "attributes"}
    read = {sent_as.get(name, name) for name in native.NativeEvent.__struct_fields__} - {"hash", "embedding"}
    assert described == read


def test_every_path_is_served(serve: Any, schema: dict[str, Any]) -> None:
    exporter: Exporter = serve()
    for path, methods in schema["paths"].items():
        for method in methods:
            answer = exporter.session.request(method.upper(), exporter.url + path, timeout=30)
            assert answer.status_code not in (404, 405, 500)
