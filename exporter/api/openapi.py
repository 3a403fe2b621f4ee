"""What the OpenAPI page says of the hot paths, which are served before FastAPI sees them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from exporter.api.described import ERROR, errors, json_answer, text_answer

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
_BARE = {
    "type": "object",
    "required": ["input_data"],
    "properties": {"input_data": _INPUT, "model_output": {}, "modality": {"type": "string"}},
}
_PART = {"type": "number", "minimum": 0, "maximum": 1}
_TIME = {"type": "number", "exclusiveMinimum": 0, "description": "ms"}
_SAMPLE = {
    "type": "object",
    "required": ["model_id", "model_type", "request_id", "latency"],
    "example": {
        "model_id": "support-bot",
        "model_type": "llm",
        "request_id": "req-1",
        "latency": 850.0,
        "throughput": 12.5,
        "error_rate": 0.01,
        "resource_usage": {"gpu_memory": 0.7, "cpu_usage": 0.3, "memory_usage": 0.5},
        "tags": {"region": "eu"},
    },
    "properties": {
        "model_id": {"type": "string"},
        "model_type": {"type": "string", "enum": ["llm", "cv", "tabular"]},
        "request_id": {"type": "string", "description": "That of a query joins the sample to it"},
        "latency": _TIME,
        "throughput": {"type": "number", "minimum": 0, "description": "Inferences a second"},
        "error_rate": _PART,
        "resource_usage": {
            "type": "object",
            "properties": {"gpu_memory": _PART, "cpu_usage": _PART, "memory_usage": _PART},
        },
        "tags": {"type": "object"},
        "error": {"type": "string", "description": "Why it failed; none where it did not"},
        "tokens": {
            "type": "object",
            "properties": {"input": {"type": "integer"}, "output": {"type": "integer"}},
        },
        "cost_dollars": {"type": "number", "minimum": 0},
        "gpu_seconds": {"type": "number", "minimum": 0},
        "time_to_first_token": _TIME,
        "client": {"type": "string"},
        "instance": {"type": "string", "description": "Whose gauges these are; the largest of the instances counts"},
    },
}
_CUSTOM = {
    "type": "object",
    "required": ["name", "kind", "value"],
    "example": {"name": "cache_hits", "kind": "counter", "value": 3, "labels": {"cache": "answers"}},
    "properties": {
        "name": {"type": "string", "description": "Without vedette_custom_ and _total"},
        "kind": {"type": "string", "enum": ["gauge", "counter", "histogram"]},
        "value": {"type": "number", "description": "What a counter grows by, a gauge is, or a histogram gets"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "instance": {"type": "string", "description": "Of a gauge: the largest of the instances counts"},
        "id": {"type": "string", "description": "The same id of the same sender again is a retry, and counts once"},
    },
}
_DRIFT = {
    "type": "object",
    "required": ["model_id", "drift_type", "severity", "confidence"],
    "example": {"model_id": "fraud", "drift_type": "data", "severity": "high", "confidence": 0.9},
    "properties": {
        "model_id": {"type": "string"},
        "drift_type": {"type": "string", "enum": ["data", "concept"]},
        "severity": {"type": "string", "enum": ["low", "medium", "high", "critical"]},
        "confidence": _PART,
        "feature": {"type": "string"},
        "drift_score": {"type": "number"},
        "tags": {"type": "object"},
        "id": {"type": "string", "description": "The same id of the same model again is a retry, and recorded once"},
    },
}
_REJECTED = {
    "type": "array",
    "items": {"type": "object", "properties": {"index": {"type": "integer"}, "reason": {"type": "string"}}},
}
_TAKEN = {
    "type": "object",
    "properties": {"accepted": {"type": "integer"}, "duplicates": {"type": "integer"}, "rejected": _REJECTED},
}
_WELL = {
    "type": "object",
    "properties": {"status": {"type": "string"}, "message": {"type": "string"}},
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


_COMMON = {
    str(status): answer
    for status, answer in errors(
        *(401, 403, 413, 415),
        _429="The queue is full, or too many bodies or requests came at once; nothing was taken",
        _503="Not ready",
        _507="The journal is at its bound, or the disk full; nothing was taken",
    ).items()
}


def _samples(summary: str, sample: dict[str, Any], more: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """One object, or an array of them; all of it is taken, or none."""
    return {
        "post": {
            "summary": summary,
            "description": "One object, or an array of them; all of it is taken, or none.",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [sample, {"type": "array", "items": sample}]}}},
            },
            "responses": {
                "201": json_answer("Taken", _WELL),
                "400": json_answer("No JSON", ERROR),
                "422": json_answer("A field is wrong, and named; nothing was taken", ERROR),
                **more,
                **_COMMON,
            },
        }
    }


_TRUTH = {
    "type": "object",
    "required": ["id", "label"],
    "example": {"id": "req-1", "label": "fraud", "model": "payments"},
    "properties": {
        "id": {"type": "string", "description": "Of the query"},
        "label": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
        "model": {"type": "string"},
    },
}
_JOINED = {
    "type": "object",
    "properties": {
        "status": {"type": "string"},
        "joined": {"type": "integer", "description": "Labels of predictions that waited for one"},
        "unknown": {"type": "integer", "description": "Labels of which no prediction is known"},
    },
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
                "202": json_answer("Taken; wrong records are named", _TAKEN),
                "400": json_answer("No JSON", ERROR),
                "422": json_answer("All records are wrong", _TAKEN),
                **_COMMON,
            },
        }
    },
    "/detect": {
        "post": {
            "summary": "Judge one query before the answer",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [_QUERY, _BARE]}}},
            },
            "responses": {
                "200": json_answer("The verdict", _VERDICT),
                "400": json_answer("No JSON", ERROR),
                "409": json_answer("Judged already, and its answer is not kept any more", ERROR),
                "422": json_answer("The query is wrong, or no detector can judge it", ERROR),
                **_COMMON,
            },
        }
    },
    "/api/v1/metrics/inference": _samples("Push what was measured of inferences", _SAMPLE),
    "/api/v1/metrics/custom": _samples("Push values of metrics of one's own", _CUSTOM),
    "/api/v1/metrics/drift": _samples(
        "Report drift that was found elsewhere", _DRIFT, {"404": json_answer("There is no history", ERROR)}
    ),
    "/api/v1/feedback": {
        "post": {
            "summary": "Tell the true labels of queries",
            "description": "One object, or an array of them. Labels are compared with those that the model predicted.",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [_TRUTH, {"type": "array", "items": _TRUTH}]}}},
            },
            "responses": {
                "200": json_answer("Counted", _JOINED),
                "400": json_answer("No JSON", ERROR),
                "422": json_answer("A field is wrong, and named; nothing was taken", ERROR),
                **_COMMON,
            },
        }
    },
    "/metrics": {
        "get": {
            "summary": "Metrics, as Prometheus text or OpenMetrics",
            "responses": {"200": text_answer("The page")},
        }
    },
    "/-/healthy": {"get": {"summary": "The process answers", "responses": {"200": text_answer("healthy")}}},
    "/-/ready": {
        "get": {
            "summary": "Queries are taken",
            "responses": {"200": text_answer("ready"), "503": text_answer("not ready")},
        }
    },
}
