"""The answer of a model in one of the forms that the exporter takes, from those that models answer in.

    a text                 {"text": ...}, also from messages of a chat
    one number or truth    {"label": ...}
    several numbers        themselves, where they are probabilities; whole numbers only where one is 1 and the rest 0
    a mapping              itself, without what is no JSON, and without probabilities, logits or logprobs that are none

A batch of one is that one. Whatever else there is, is no answer to one query.
"""

from collections.abc import Mapping
from typing import Any

from vedette_client.chat import messages_of, text_of
from vedette_client.encode import encode, plain
from vedette_client.scalars import row_of_numbers, scalar

#: so far a probability may be outside of 0 to 1, as half a precision makes it
SLACK = 1e-3


def as_output(value: Any) -> Any:
    """The answer as the exporter takes it; None where it has no such form.

    Raises TypeError for what nobody knows, and what the host's objects do.
    """
    if isinstance(value, str):
        return {"text": value}
    if value is None or isinstance(value, (bool, int, float)):
        return _label(scalar(value))
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return _list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return None
    while getattr(value, "ndim", 0) > 1:  # to look at an array is cheaper than to make a list of it
        if hasattr(value, "to_dict") or value.shape[0] != 1:
            return None
        value = value[0]
    return as_output(plain(value))


def _label(value: Any) -> dict[str, Any] | None:
    return None if value is None else {"label": value}


def _list(values: list[Any] | tuple[Any, ...]) -> Any:
    if (messages := messages_of(values)) is not None:
        return _text(messages)
    if len(values) == 1:
        return as_output(values[0])
    kinds = set(map(type, values))
    if bool in kinds or str in kinds:
        return None
    numbers = probabilities(values)
    return None if numbers is None or (kinds == {int} and sum(numbers) != 1) else numbers


def probabilities(values: Any) -> list[float] | None:
    """The numbers where they can be probabilities, those that are outside by SLACK at most at the border; else None."""
    numbers = row_of_numbers(values)
    if numbers is None:
        return None
    low, high = min(numbers), max(numbers)
    if low < -SLACK or high > 1.0 + SLACK:
        return None
    if low < 0.0 or high > 1.0:
        numbers = [min(max(number, 0.0), 1.0) for number in numbers]
    return numbers if sum(numbers) > 0.0 else None


def _logprobs(values: Any) -> list[float] | None:
    numbers = row_of_numbers(values)
    return None if numbers is None or max(numbers) > 0.0 else numbers


_NUMBERS = {"probabilities": probabilities, "logits": row_of_numbers, "logprobs": _logprobs}


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any] | None:
    if "label" not in value and (messages := messages_of(value)) is not None:
        return _text(messages)
    parts = {key: _part(key, item) for key, item in value.items() if isinstance(key, str)}
    return {key: part for key, part in parts.items() if part is not None} or None


def _part(key: str, value: Any) -> Any:
    """A part of an answer; None where it cannot be told."""
    try:
        if value is not None and key in _NUMBERS:
            return _NUMBERS[key](value)
        if key == "label":
            return scalar(value)
        encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    return value


def _text(messages: list[Mapping[str, Any]]) -> dict[str, str] | None:
    text = text_of(messages)
    return {"text": text} if text else None
