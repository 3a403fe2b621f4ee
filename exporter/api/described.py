"""What the description of the interface says of bodies and answers: shared by all routes."""

from typing import Any

Schema = dict[str, Any]

ERROR: Schema = {"type": "object", "properties": {"detail": {"type": "string"}}}
#: FastAPI names each parameter that is wrong, routes say a sentence
WRONG: Schema = {
    "type": "object",
    "properties": {"detail": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}},
}
REASONS = {
    400: "The body is no JSON, or not packed as it says",
    401: "Access is closed, and no valid key came with the request",
    403: "The key does not have the scope, or is not for this model; or a page of another site asks",
    404: "There is no such thing",
    409: "It does not go with how things stand; nothing has changed",
    413: "Larger than allowed",
    415: "Unknown content encoding",
    422: "What is wrong is named; nothing was taken",
    429: "Too many requests, failed attempts or bodies at once; nothing was taken",
    502: "Alertmanager did not take it; nothing has changed",
    503: "The database of the history cannot be reached",
    507: "Done, but not on the disk: after a restart it may be undone",
}
#: what the gate answers, whatever is asked for
GATE = (401, 403, 429)
#: what comes of a body that is not even read
BODY = (400, 413, 415, 429)
#: what is sent as CSV too
AS_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}


def json_answer(description: str, schema: Schema) -> dict[str, Any]:
    """An answer in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def text_answer(description: str) -> dict[str, Any]:
    """An answer in plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def errors(*statuses: int, **other: str) -> dict[int | str, dict[str, Any]]:
    """The errors that a route answers with, as FastAPI takes them. other: by `_` and status, another description."""
    reasons = {status: REASONS[status] for status in statuses}
    reasons |= {int(name.removeprefix("_")): reason for name, reason in other.items()}
    return {status: _error(status, reason) for status, reason in reasons.items()}


def _error(status: int, reason: str) -> dict[str, Any]:
    answer = json_answer(reason, WRONG if status == 422 else ERROR)
    return answer | {"headers": _RETRY_AFTER} if status in (429, 503) else answer


def with_answers_of_the_gate(paths: dict[str, Any]) -> dict[str, Any]:
    """The same paths, with what is answered before a route is asked."""
    return {
        path: {method: _gated(operation) for method, operation in methods.items()} for path, methods in paths.items()
    }


def _gated(operation: dict[str, Any]) -> dict[str, Any]:
    gate = {str(status): answer for status, answer in errors(*GATE).items()}
    return operation | {"responses": gate | operation["responses"]}


def request_body(schema: Schema) -> dict[str, Any]:
    """The body of a request, as `openapi_extra`, for a route that reads it by itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def fields(*required: str, **types: str | list[str] | Schema) -> Schema:
    """An object: the type, the types or the schema of each of its fields."""
    schemas = {name: kind if isinstance(kind, dict) else {"type": kind} for name, kind in types.items()}
    schema: Schema = {"type": "object", "properties": schemas}
    return schema | {"required": list(required)} if required else schema
