"""What the OpenAPI page says of the hot paths, which are served before FastAPI sees them."""

from typing import Any

_INPUT = {
    "description": "A text, a list of texts, a list of numbers, {feature: value}, {embedding}, {embedding_base64}, "
    "{image_base64} or {pixels_base64, shape, dtype}",
    "oneOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
        {"type": "array", "minItems": 1, "items": {"type": "number"}},
        {"type": "object", "minProperties": 1},
    ],
}
_QUERY = {
    "type": "object",
    "required": ["input"],
    "example": {"model": "support-bot", "client": "key-17", "input": "Where is my order?", "output": [0.9, 0.1]},
    "properties": {
        "input": _INPUT,
        "output": {
            "description": "Probabilities, or one of {probabilities}, {logits}, {logprobs}, {label}, {text}",
            "oneOf": [
                {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
                {"type": "object"},
            ],
        },
        "id": {"type": "string"},
        "model": {"type": "string"},
        "version": {"type": "string"},
        "client": {"type": "string"},
        "timestamp": {"oneOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]},
        "modality": {"type": "string", "enum": ["text", "image", "tabular", "embedding", "auto", "llm", "cv"]},
        "label": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
        "latency_seconds": {"type": "number", "minimum": 0},
        "error": {"type": "string"},
        "tokens": {
            "type": "object",
            "properties": {"input": {"type": "integer"}, "output": {"type": "integer"}},
        },
        "cost_dollars": {"type": "number", "minimum": 0},
        "attributes": {"type": "object"},
    },
}
_MONITAUR = {
    "type": "object",
    "required": ["input_data"],
    "properties": {"input_data": _INPUT, "model_output": {}, "modality": {"type": "string"}},
}
_ERROR = {"type": "object", "properties": {"detail": {"type": "string"}}}
_REJECTED = {
    "type": "array",
    "items": {"type": "object", "properties": {"index": {"type": "integer"}, "reason": {"type": "string"}}},
}
_TAKEN = {
    "type": "object",
    "properties": {"accepted": {"type": "integer"}, "duplicates": {"type": "integer"}, "rejected": _REJECTED},
}
_DETECTION = {
    "type": "object",
    "properties": {
        "detector": {"type": "string"},
        "status": {"type": "string", "enum": ["ok", "skipped", "error"]},
        "is_suspicious": {"type": "boolean"},
        "confidence": {"type": "number"},
        "reason": {"type": "string"},
        "metadata": {"type": "object"},
    },
}
_VERDICT = {
    "type": "object",
    "properties": {
        "is_suspicious": {"type": "boolean"},
        "confidence": {"type": "number"},
        "reason": {"type": "string"},
        "metadata": {"type": "object"},
        "detections": {"type": "array", "items": _DETECTION},
    },
}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


_BUSY = {
    **_json("The queue is full; nothing was taken", _ERROR),
    "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}},
}
_COMMON = {
    "401": _json("Access is closed, and no valid key came with the request", _ERROR),
    "403": _json("The key does not have the scope, or is not for this model", _ERROR),
    "413": _json("Larger than allowed", _ERROR),
    "415": _json("Unknown content encoding", _ERROR),
    "429": _BUSY,
    "503": _json("Not ready", _ERROR),
}

HOT_PATHS: dict[str, Any] = {
    "/api/v1/queries": {
        "post": {
            "summary": "Push queries",
            "description": "One object, an array, or one object a line; gzip and deflate are unpacked.",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"oneOf": [_QUERY, {"type": "array", "items": _QUERY}]}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            "responses": {
                "202": _json("Taken; wrong records are named", _TAKEN),
                "400": _json("No JSON", _ERROR),
                "422": _json("All records are wrong", _TAKEN),
                **_COMMON,
            },
        }
    },
    "/detect": {
        "post": {
            "summary": "Judge one query before the answer",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [_QUERY, _MONITAUR]}}},
            },
            "responses": {
                "200": _json("The verdict", _VERDICT),
                "400": _json("No JSON", _ERROR),
                "409": _json("Judged already, and its answer is not kept any more", _ERROR),
                "422": _json("The query is wrong, or no detector can judge it", _ERROR),
                **_COMMON,
            },
        }
    },
    "/metrics": {
        "get": {
            "summary": "Metrics, as Prometheus text or OpenMetrics",
            "responses": {"200": _text("The page")},
        }
    },
    "/-/healthy": {"get": {"summary": "The process answers", "responses": {"200": _text("healthy")}}},
    "/-/ready": {
        "get": {
            "summary": "Queries are taken",
            "responses": {"200": _text("ready"), "503": _text("not ready")},
        }
    },
}
