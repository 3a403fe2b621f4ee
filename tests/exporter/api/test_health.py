"""The route that says whether all is well."""

from collections.abc import Callable

from exporter.version import VERSION
from tests.exporter.api.conftest import Api


def test_a_history_that_is_written_is_healthy(api: Api) -> None:
    api.record("inference")
    answer = api.http.get("/api/v1/health").json()
    assert (answer["status"], answer["version"]) == ("healthy", VERSION)
    assert answer["services"] == {"exporter": "healthy", "history": "healthy"}
    assert answer["timestamp"].endswith("+00:00")


def test_a_history_that_cannot_be_written_degrades_the_service(make_api: Callable[..., Api]) -> None:
    api = make_api("postgresql://nobody@127.0.0.1:1/none")
    assert not api.recorder.turn()
    answer = api.http.get("/api/v1/health").json()
    assert (answer["status"], answer["services"]["history"]) == ("degraded", "unhealthy")
