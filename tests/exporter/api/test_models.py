"""`/api/v1/models`."""

import errno

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from exporter.access.principal import Principal
from exporter.api import models
from exporter.registration import NotReady, Wrong

MODEL = {"id": "bot", "name": "Bot", "model_type": "llm", "thresholds": {"latency": 2000}}


class Registry:
    """Registers, or fails as it is told to."""

    def __init__(self, error=None):
        self.models, self._error = [], error

    def register(self, model):
        if self._error is not None:
            raise self._error
        self.models.append(model)

    def registered(self):
        return [{"id": model.id, "kind": "model"} for model in self.models]


def client(registry, principal=None, baselines=list):
    app = FastAPI()
    models.add(app, registry, baselines)

    async def served(scope, receive, send):
        if principal is not None:
            scope["principal"] = principal
        await app(scope, receive, send)

    return TestClient(served)


def test_a_model_is_registered_and_listed():
    http = client(Registry())
    answer = http.post("/api/v1/models", json=MODEL)
    assert answer.status_code == 201
    assert answer.json()["thresholds"] == {
        "latency": 2000.0,
        "error_rate": 0.05,
        "gpu_memory": 0.8,
        "cpu_usage": 0.8,
        "memory_usage": 0.8,
        "cost_per_hour": None,
    }
    assert http.get("/api/v1/models").json() == {"models": [{"id": "bot", "kind": "model"}], "total": 1}


def test_kinds_are_filtered():
    http = client(Registry(), baselines=lambda: [{"id": "cpu", "kind": "baseline"}])
    http.post("/api/v1/models", json=MODEL)
    assert http.get("/api/v1/models").json()["total"] == 2
    listed = [http.get(f"/api/v1/models?kind={kind}").json()["models"] for kind in ("model", "baseline", "other")]
    assert [[one["id"] for one in models] for models in listed] == [["bot"], ["cpu"], []]


@pytest.mark.parametrize(
    ("error", "status"),
    [(Wrong("id: taken"), 422), (NotReady(), 503), (OSError(errno.ENOSPC, "no space"), 507)],
)
def test_what_cannot_be_taken_says_why(error, status):
    answer = client(Registry(error)).post("/api/v1/models", json=MODEL)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_wrong_field_is_422_and_named():
    answer = client(Registry()).post("/api/v1/models", json=MODEL | {"model_type": "gpt"})
    assert (answer.status_code, answer.json()) == (422, {"detail": "model_type: expected one of llm, cv, tabular"})


def test_a_body_beyond_all_measure_is_413():
    assert client(Registry()).post("/api/v1/models", content=b"x" * 70_000).status_code == 413


def test_a_key_for_some_models_sees_and_registers_only_those():
    registry = Registry()
    http = client(registry, Principal("key", frozenset({"admin"}), frozenset({"bot"})))
    assert http.post("/api/v1/models", json=MODEL | {"id": "else"}).status_code == 403
    assert http.post("/api/v1/models", json=MODEL).status_code == 201
    client(registry).post("/api/v1/models", json=MODEL | {"id": "else"})
    assert http.get("/api/v1/models").json()["total"] == 1
    assert client(registry).get("/api/v1/models").json()["total"] == 2
