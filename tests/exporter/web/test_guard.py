"""Headers of the web configuration file, over the wire."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.http.tls import WebFile
from exporter.web.guard import with_headers

Get = Callable[..., httpx.Response]


async def _page(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"public")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"page"})


@pytest.fixture
def get(tmp_path: Path) -> Get:
    """Ask for a path of an application with the headers of a web file."""
    file = tmp_path / "web.yml"

    def ask(text: str, path: str = "/metrics", **options: Any) -> httpx.Response:
        file.write_text(text)

        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(with_headers(_page, WebFile(file)))
            async with httpx.AsyncClient(transport=transport, base_url="http://vedette") as client:
                return await client.get(path, **options)

        return asyncio.run(main())

    return ask


def test_without_headers_in_the_file_answers_are_as_they_were(get: Get) -> None:
    answer = get("")
    assert (answer.text, answer.headers["cache-control"]) == ("page", "public")


def test_headers_of_the_file_are_on_every_answer_and_replace_others(get: Get) -> None:
    answer = get("http_server_config: {headers: {Cache-Control: no-store, X-Frame-Options: deny}}")
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers["x-frame-options"] == "deny"
