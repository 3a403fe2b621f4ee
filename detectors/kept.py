"""What a detector hands out to be kept, and takes back: plain values that any serialiser takes, checked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np


class Rows(NamedTuple):
    """The rows of one space of a window: the number of the oldest one held, the number after the newest, their length.

    Rows are numbered from 0 on in the order in which they came into their space, and keep their number.
    """

    first: int
    last: int
    dimensions: int


#: from the id of a space and two row numbers: the rows from the first to before the second, float32 (n, dimensions)
RowReader = Callable[[str, int, int], np.ndarray]


def packed(array: np.ndarray) -> dict[str, Any]:
    """An array as plain values; its numbers are copied."""
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}


def unpacked(value: Any, dtype: str) -> np.ndarray:
    """The array that `packed` made `value` of, for reading only. Raises ValueError when it is none of this dtype."""
    with in_words():
        if value["dtype"] != np.dtype(dtype).str:
            raise ValueError(f"expected an array of {np.dtype(dtype).str}, got {value['dtype']}")
        return np.frombuffer(value["data"], dtype=dtype).reshape(value["shape"])


def check_same(state: Any, **expected: Any) -> None:
    """Raises ValueError, naming what differs, unless the state is of a detector with these properties."""
    if not isinstance(state, Mapping):
        raise ValueError(f"expected the state of a detector, got {type(state).__name__}")
    for name, value in expected.items():
        if name not in state:
            raise ValueError(f"the state does not say its {name}; expected {value!r}")
        if state[name] != value:
            raise ValueError(f"the state is of {name} {state[name]!r}, and this detector has {value!r}")


@contextmanager
def in_words() -> Iterator[None]:
    """Turns what a state of another shape runs into (missing keys, wrong types) into a ValueError in words."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"the state lacks {error}") from None
    except (TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"the state has a part of the wrong kind: {error}") from None
