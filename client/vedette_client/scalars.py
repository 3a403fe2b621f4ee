"""Single values, as JSON and the exporter know them."""

import math
from typing import Any

from vedette_client.encode import plain

Scalar = str | float | bool | None


def scalar(value: Any) -> Scalar:
    """A text, a number, true, false or None; of what is no finite number, None.

    Raises TypeError where it is not one value, and whatever the host's objects do.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if type(value) is float:
        return _finite(value)
    if isinstance(value, int):
        return int(value) if abs(value) >> 64 == 0 else _finite(float(value))  # longer ones are refused
    if isinstance(value, float):  # numpy's are such, too
        return _finite(float(value))
    if isinstance(value, (list, tuple, dict)):
        raise TypeError(type(value).__name__)
    return scalar(plain(value))


def row_of_numbers(values: Any) -> list[float] | None:
    """The finite numbers of a list, tuple, array or tensor with one axis; None where it is no such row.

    True and false are 1 and 0. Raises TypeError where a part of it is no single value.
    """
    values = values if isinstance(values, (list, tuple)) else plain(values)
    if not isinstance(values, (list, tuple)) or not values:
        return None
    if set(map(type, values)) == {float} and math.isfinite(sum(values)):  # as most are, and quick
        return list(values)
    numbers = [scalar(value) for value in values]
    if any(number is None or isinstance(number, str) for number in numbers):
        return None
    return [int(number) if isinstance(number, bool) else number for number in numbers]  # type: ignore[misc]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
