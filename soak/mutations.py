"""Bodies that nearly make sense: valid ones, changed at random in the places where decoders break."""

import base64
import gzip
import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

PUSH, DETECT = "/api/v1/queries", "/detect"


class Request(NamedTuple):
    """A path, the content encoding that is said ("" for none), and a body."""

    path: str
    encoding: str
    body: bytes


#: pieces of JSON that decoders stumble over
TOKENS = (
    *(b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"', b'"\\ud83d\\ude00"', b"\x00", b"\xff\xfe"),
    *(b"-0", b"1e999", b"-1e999", b"1e-999", b"NaN", b"Infinity", b"9" * 25, b"9" * 400, b"-" + b"9" * 20, b"9" * 5000),
    *(b"[" * 50, b"[" * 2000, b'{"a":' * 1500, b"]", b"}", b",", b":", b"\n", b"\r\n\r\n", b"\\", b'\\"', b"/* */"),
    *(b'"input":', b'"input":"again",', b'"id":"x",', b'"model":"other",', b'"timestamp":1e300,', b'"client":"",'),
    *(b'"output":[1,0],', b'"output":{"logits":[1e308,-1e308]},', b'"modality":"image",', b'"hash":"x",'),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1f\x8b", b"\xc0\x80", b'"' + b"x" * 3000 + b'"', b"1" + b"0" * 308),
)


def picture() -> bytes:
    """A small PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.frombytes("RGB", (9, 8), bytes(range(216))).save(stream, "PNG")
    return stream.getvalue()


def events() -> list[dict[str, Any]]:
    """Valid events, one for each thing that an input or an output may be."""
    text = {"input": "Where is my order?", "model": "text", "client": "key-17"}
    numbers = base64.b64encode(struct.pack("<4f", 0.5, -1, 2, 3)).decode()
    pixels = {"pixels_base64": base64.b64encode(bytes(range(64))).decode(), "shape": [8, 8], "dtype": "uint8"}
    return [
        {**text, "output": [0.25, 0.25, 0.5]},
        {**text, "id": "req-1", "output": {"logits": [2.1, 0.3]}, "timestamp": "2026-01-31T12:00:00Z"},
        {**text, "output": {"logprobs": [-0.1, -2.5]}, "tokens": {"input": 5, "output": 40}, "attributes": {"a": [1]}},
        {**text, "output": {"label": "spam"}, "label": 3, "latency_seconds": 0.2, "cost_dollars": 0.01, "error": "x"},
        {
            "input": {"age": 25, "income": 3e4, "name": "x", "member": True, "gone": None},
            "model": "rows",
            "version": "2",
        },
        {"input": [0.5, 1, 2.5], "output": [0, 1], "model": "rows", "timestamp": 1.7e9, "id": 7},
        {"input": ["a", "b"], "output": {"text": "c"}, "modality": "llm"},
        {"input": {"embedding": [0.1, 0.2, 0.3]}, "model": "vectors"},
        {"input": {"embedding_base64": numbers}, "model": "vectors", "modality": "embedding"},
        {"input": {"image_base64": base64.b64encode(picture()).decode()}, "model": "pictures", "output": [0.5, 0.5]},
        {"input": pixels, "model": "pictures", "modality": "cv"},
        {"input_data": "Monitaur", "model_output": [0.25, 0.75], "modality": "text", "model": "text"},
    ]


def bodies(events: list[dict[str, Any]]) -> list[bytes]:
    """The events alone, as an array, and one a line."""
    each = [json.dumps(event).encode() for event in events]
    natives = [event for event in each if b"input_data" not in event]
    return [*each, b"[" + b",".join(natives) + b"]", b"\n".join(natives[:5]), json.dumps(events[0], indent=1).encode()]


class Mutations:
    """An endless row of requests. The same seed gives the same row."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._bodies = bodies(events())
        self._changes: tuple[Callable[[bytes], bytes], ...] = (
            *(self._flip, self._drop, self._repeat, self._cut, self._splice),
            *(self._token, self._token, self._scalar),
        )

    def next(self) -> Request:
        """The next request: nearly always with a change in it."""
        body = self.random.choice(self._bodies)
        for _ in range(min(int(self.random.expovariate(0.7)), 8)):
            body = self.changed(body)
        path = PUSH if self.random.random() < 0.6 else DETECT
        return self._packed(path, body[:100_000])

    def changed(self, body: bytes) -> bytes:
        """The same with one change in it."""
        return self.random.choice(self._changes)(body)

    def _packed(self, path: str, body: bytes) -> Request:
        kind = self.random.random()
        if kind < 0.85:
            return Request(path, "", body)
        if kind < 0.9:
            return Request(path, "gzip", gzip.compress(body, 1, mtime=0))
        if kind < 0.94:
            return Request(path, "deflate", zlib.compress(body, 1))
        if kind < 0.97:  # damaged after it was packed
            return Request(path, self.random.choice(("", "gzip")), self._flip(gzip.compress(body, 1, mtime=0)))
        return Request(path, self.random.choice(("gzip", "deflate", "br", "identity", "zstd")), body)

    # -- changes

    def _place(self, body: bytes) -> int:
        return self.random.randrange(len(body) + 1)

    def _flip(self, body: bytes) -> bytes:
        if not body:
            return b"x"
        place = self.random.randrange(len(body))
        return body[:place] + bytes([body[place] ^ (1 << self.random.randrange(8))]) + body[place + 1 :]

    def _drop(self, body: bytes) -> bytes:
        place = self._place(body)
        return body[:place] + body[place + self.random.randrange(1, 20) :]

    def _repeat(self, body: bytes) -> bytes:
        place = self._place(body)
        return body[:place] + body[place : place + 60] * self.random.randrange(2, 6) + body[place:]

    def _cut(self, body: bytes) -> bytes:
        return body[: self._place(body)]

    def _token(self, body: bytes) -> bytes:
        place = self._place(body)
        return body[:place] + self.random.choice(TOKENS) + body[place:]

    def _splice(self, body: bytes) -> bytes:
        other = self.random.choice(self._bodies)
        return body[: self._place(body)] + other[self._place(other) :]

    def _scalar(self, body: bytes) -> bytes:
        """Another value in the place of one, so that the JSON stays JSON."""
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return self._token(body)
        holder = found
        while isinstance(holder, (dict, list)) and holder:
            key = self.random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            inner = holder[key]
            if not (isinstance(inner, (dict, list)) and inner) or self.random.random() < 0.3:
                mark = "b5c0d9"
                holder[key] = mark
                return json.dumps(found).encode().replace(f'"{mark}"'.encode(), self.random.choice(TOKENS))
            holder = inner
        return body
