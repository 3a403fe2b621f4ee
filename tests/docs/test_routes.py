"""Every route of the program is on a page with its method, and every route that a page names is served."""

import re
from pathlib import Path

import httpx
import pytest

from exporter.app import Service
from tests.exporter.access.test_middleware import Served

ROOT = Path(__file__).parents[2]
TEXT = "".join(page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])
#: pages for people, which the interface does not describe
FOR_PEOPLE = {("GET", "/"), ("GET", "/docs"), ("GET", "/clients"), ("GET", "/clients/{}")}


def plain(path: str) -> str:
    """A path with whatever is filled in left out."""
    return re.sub(r"\{\w+\}|(?<=/)[A-Z]{2,}", "{}", re.split(r"[?&…]", path)[0])


def named() -> set[tuple[str, str]]:
    found = re.findall(r"\b(GET|POST|PUT|DELETE) (/[^\s`]*)", TEXT)
    return {(method, plain(path.rstrip(",.:;"))) for method, path in found}


@pytest.fixture
def served(tmp_path: Path) -> set[tuple[str, str]]:
    found = set(FOR_PEOPLE)

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        for path, methods in (await client.get("/openapi.json")).json()["paths"].items():
            found.update((method.upper(), plain(path)) for method in methods)

    Served(tmp_path).run(scenario)
    return found


def test_what_is_served_is_on_a_page_and_what_is_on_a_page_is_served(served: set[tuple[str, str]]) -> None:
    assert named() == served


def test_what_a_page_asks_with_curl_is_served(served: set[tuple[str, str]]) -> None:
    asked = re.findall(r"(?:localhost:10833|\$VEDETTE)(/[^\s`\"'\\]*)", TEXT)
    assert asked
    assert {plain(path.rstrip(".,;")) for path in asked} - {path for _, path in served} == set()
