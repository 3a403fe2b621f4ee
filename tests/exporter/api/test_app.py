"""The cold paths."""

from collections.abc import Callable

import pytest
import requests

from exporter.access import AccessError
from exporter.config.yaml_lines import Problem
from exporter.config_file import ConfigError
from tests.exporter.conftest import Exporter

Serve = Callable[..., Exporter]


def post_reload(exporter: Exporter) -> requests.Response:
    return exporter.session.post(exporter.url + "/-/reload", timeout=30)


def test_the_landing_page_leads_to_everything(serve: Serve) -> None:
    page = serve().get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'href="/metrics"' in page.text


def test_a_reload_is_not_for_everybody(serve: Serve) -> None:
    answer = post_reload(serve())
    assert (answer.status_code, answer.json()) == (403, {"detail": "start with --web.enable-lifecycle to allow this"})


def test_a_reload_takes_over_the_configuration(serve: Serve) -> None:
    reloads: list[int] = []
    answer = post_reload(serve(reload=lambda: reloads.append(1)))
    assert (answer.status_code, answer.json(), reloads) == (200, {"status": "success"}, [1])


@pytest.mark.parametrize(
    "error", [ConfigError([Problem("v.yml", 3, "models", "unknown key")]), AccessError("v.yml names /gone, of which")]
)
def test_a_reload_of_a_bad_configuration_says_what_is_wrong(serve: Serve, error: Exception) -> None:
    def fail() -> None:
        raise error

    answer = post_reload(serve(reload=fail))
    assert answer.status_code == 500
    assert "v.yml" in answer.json()["detail"]


def test_the_wrong_method_is_405(serve: Serve) -> None:
    assert serve().get("/-/reload").status_code == 405


def test_the_interface_is_described_without_anything_from_elsewhere(serve: Serve) -> None:
    page = serve().get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
