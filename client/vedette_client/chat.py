"""Messages of a chat, as every API of that kind has them: `{"role": ..., "content": ...}`."""

from collections.abc import Mapping, Sequence
from typing import Any

from vedette_client.encode import plain


def messages_of(value: Any) -> list[Mapping[str, Any]] | None:
    """The messages in one message, a list of them, or a request `{"messages": [...]}`; None where these are none."""
    if isinstance(value, Mapping):
        if _is_message(value):
            return [value]
        value = value.get("messages")
    if not isinstance(value, (list, tuple)) or not value:
        return None
    if not (isinstance(value[0], Mapping) or hasattr(value[0], "model_dump")):
        return None
    items = [plain(item) if hasattr(item, "model_dump") else item for item in value]
    return items if all(map(_is_message, items)) else None


def text_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """What they say, a line each; pictures and calls of tools say nothing."""
    texts = (text for message in messages for text in _texts(message.get("content")))
    return "\n".join(text for text in texts if text)


def _is_message(value: Any) -> bool:
    """LangChain's messages have a `type` for a role; those that only call a tool may have no content."""
    return isinstance(value, Mapping) and ("role" in value or ("type" in value and "content" in value))


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    if not isinstance(content, (list, tuple)):
        return []
    parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
    return [part for part in parts if isinstance(part, str)]
