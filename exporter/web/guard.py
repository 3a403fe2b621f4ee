"""What the web configuration file adds to every answer: its headers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from exporter.body import Receive
from exporter.http.tls import WebFile

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def with_headers(app: App, web: WebFile) -> App:
    """The application with the headers of the file on every answer."""

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        extra = web.current().config.http_server_config.headers.values
        await app(scope, receive, _adding(send, extra) if extra else send)

    return answer


def _adding(send: Send, extra: dict[str, str]) -> Send:
    """Headers of the file take the place of those that the answer has already."""
    added = [(name.lower().encode(), value.encode()) for name, value in extra.items()]
    names = {name for name, _ in added}

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [header for header in message.get("headers", ()) if header[0].lower() not in names]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return answer
