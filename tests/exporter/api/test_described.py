"""The description of the whole interface against the service: what is answered stands in it."""

import gzip
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest

from exporter.access.scopes import ROUTES
from exporter.api.answers import ANSWERS
from exporter.api.described import GATE, with_answers_of_the_gate
from exporter.app import Service
from tests.exporter.access.test_middleware import Served
from tests.exporter.api.test_alerts import told

#: bodies that are nothing to anybody, with their headers
ODD: tuple[tuple[bytes, dict[str, str]], ...] = (
    (b"", {}),
    (b"{", {}),
    (b"{}", {}),
    (b"[]", {}),
    (b"null", {}),
    (b"\xff", {}),
    (b"[" * 100_000, {}),
    (b'{"alerts":[' * 500, {}),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, {}),
    (b'{"id": "x", "name": "\\ud800"}', {}),
    (b"{}", {"content-encoding": "gzip"}),
    (b"{}", {"content-encoding": "br"}),
    (gzip.compress(b" " * (9 << 20)), {}),
    (b" " * (9 << 20), {}),
)
#: values of parameters, right and wrong ones
ASKED = ("a\0b", "-1", "nan", "1e400", "9" * 400, "'", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "x" * 300)

Scenario = Callable[[httpx.AsyncClient, Service], Awaitable[None]]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


async def operations(client: httpx.AsyncClient, **headers: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each, with the components of the page, which it refers to."""
    page = (await client.get("/openapi.json", headers=headers)).json()
    return [
        (method.upper(), path, operation | {"components": page["components"]})
        for path, found in page["paths"].items()
        for method, operation in found.items()
    ]


def assert_described(answer: httpx.Response, operation: dict[str, Any]) -> None:
    described = operation["responses"].get(str(answer.status_code))
    told = f"{answer.request.method} {answer.request.url.path[:80]}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code != 500, told
    assert described is not None, told
    if answer.headers.get("content-type") == "application/json":
        schema = described["content"]["application/json"]["schema"] | {"components": operation["components"]}
        error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(answer.json()))
        assert error is None, f"{told}: {error.message}"


def requests_of(method: str) -> Iterator[dict[str, Any]]:
    yield from ({"content": body, "headers": headers} for body, headers in (ODD if method == "POST" else ODD[:1]))


def test_every_answer_of_success_names_its_fields(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        described = {
            (method, path): content["schema"]
            for method, path, operation in await operations(client)
            for status, answer in operation["responses"].items()
            for kind, content in answer.get("content", {}).items()
            if status.startswith("2") and kind == "application/json"
        }
        assert set(ANSWERS) <= set(described)
        assert [route for route, schema in described.items() if not {"properties", "items"} & set(schema)] == []

    served.run(scenario)


def test_whatever_is_sent_the_answer_is_described(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        for method, path, operation in await operations(client):
            place = path.replace("{id}", "x").replace("{name}", "x").replace("{client}", "x").replace("{model}", "a")
            for request in requests_of(method):
                assert_described(await client.request(method, place, **request), operation)
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    for value in ASKED:
                        answer = await client.request(method, place, params={parameter["name"]: value})
                        assert_described(answer, operation)

    served.run(scenario)


def test_what_the_gate_answers_is_described_everywhere(served: Served) -> None:
    secret, admin = served.key("push"), served.key("admin")

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        found = await operations(client, **{"X-API-Key": admin})
        for method, path, operation in found:
            for headers in ({}, {"X-API-Key": secret}, {"Origin": "https://elsewhere.example"}):
                answer = await client.request(method, path, headers=headers, content=b"{")
                assert str(answer.status_code) in operation["responses"], (method, path, answer.status_code)
            assert {str(status) for status in GATE} <= set(operation["responses"])

    served.run(scenario)


def test_every_route_that_takes_a_body_says_which(served: Served) -> None:
    without = {path for path in ROUTES if path.endswith(("/train", "/warm-up", "/dismiss", "/confirm", "/rollback"))}

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        for method, path, operation in await operations(client):
            takes = method == "POST" and path not in {*without, "/-/reload"}
            assert ("requestBody" in operation) == takes, (method, path)

    served.run(scenario)


def example(operation: dict[str, Any]) -> Any:
    return operation["requestBody"]["content"]["application/json"]["schema"].get("example")


def test_the_examples_of_the_routes_are_taken(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        found = {(method, path): operation for method, path, operation in await operations(client)}
        register = found["POST", "/api/v1/models"]
        answer = await client.post("/api/v1/models", json=example(register))
        assert answer.status_code == 201
        assert_described(answer, register)

    served.run(scenario)


def test_what_people_do_about_an_alert_is_described(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        found = {path: operation for method, path, operation in await operations(client) if method == "POST"}

        async def post(what: str, status: int, **body: Any) -> None:
            answer = await client.post(f"/api/v1/alerts/{what}", json=body)
            assert answer.status_code == status
            assert_described(answer, found[f"/api/v1/alerts/{what}"])

        await post("webhook", 200, alerts=[told(), told("Over", status="resolved"), {}])
        alerts = (await client.get("/api/v1/alerts", params={"since_hours": 8_000})).json()
        ids = {alert["alert_type"]: alert["id"] for alert in alerts}
        await post("acknowledge", 200, alert_id=ids["VedetteFlaggedShareHigh"])
        await post("acknowledge", 409, alert_id=ids["Over"])
        await post("acknowledge", 404, alert_id="none")
        await post("acknowledge", 422, alert_id=ids["Over"], duration="25h")
        await post("resolve", 200, alert_id=ids["Over"])
        await post("resolve", 404, alert_id="none")

    served.run(scenario)


def test_what_is_answered_without_a_database_is_described(tmp_path: Path) -> None:
    served = Served(tmp_path)
    history = msgspec.structs.replace(served.config.history, url="postgresql://nobody@127.0.0.1:1/none")
    served.config = msgspec.structs.replace(served.config, history=history)
    bodies = {
        "webhook": {"alerts": [told()]},
        "resolve": {"alert_id": "a"},
        "acknowledge": {"alert_id": "a"},
    }

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        asked = 0
        for method, path, operation in await operations(client):
            body = bodies.get(path.removeprefix("/api/v1/alerts/"))
            if "503" in operation["responses"] and (body or method == "GET") and not path.startswith("/-/"):
                assert (await client.request(method, path, json=body)).status_code == 503, (method, path)
                asked += 1
        assert asked == 10

    served.run(scenario)


def test_what_a_route_says_of_itself_comes_before_what_the_gate_answers() -> None:
    paths = {"/a": {"get": {"responses": {"200": {}, "403": {"description": "own"}}}}}
    [operation] = with_answers_of_the_gate(paths)["/a"].values()
    assert set(operation["responses"]) == {"200", "401", "403", "429"}
    assert operation["responses"]["403"] == {"description": "own"}
    assert set(paths["/a"]["get"]["responses"]) == {"200", "403"}
