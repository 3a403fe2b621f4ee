"""Holds every answer that a test gets against what the OpenAPI page says of it."""

import re
from typing import Any

import jsonschema
import requests

from exporter.api.answers import ANSWERS


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", ".+", path))


_KNOWN = [
    (method, _pattern(path), jsonschema.Draft202012Validator(schema))
    for (method, path), schema in sorted(ANSWERS.items(), key=lambda item: "{" in item[0][1])
]


def check(method: str, path: str, answer: Any) -> None:
    """Whether the JSON of a success has just the fields that are described; other answers are passed over."""
    described = next((known for on, where, known in _KNOWN if on == method and where.fullmatch(path)), None)
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    if described is not None and is_json and 200 <= answer.status_code < 300:
        error = jsonschema.exceptions.best_match(described.iter_errors(answer.json()))
        assert error is None, f"{method} {path}: {error.message} at {error.json_path}"


def check_httpx(answer: Any) -> None:
    """As a hook of httpx."""
    answer.read()
    check(answer.request.method, answer.request.url.path, answer)


def check_requests(answer: requests.Response, **_: Any) -> None:
    """As a hook of requests."""
    assert answer.request.method is not None
    check(answer.request.method, answer.request.path_url.partition("?")[0], answer)
