"""uvicorn with the exporter's own settings, and a handler that reads the body and gives a short constant answer."""

import sys
from typing import Any

import uvicorn

ANSWER = b'{"is_suspicious":false,"confidence":0.5,"reason":"constant","metadata":{},"detections":[]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="error",
        proxy_headers=False,
    )
