"""What a detector hands out to be kept, and takes back: plain values that any serialiser takes, checked."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np


class Rows(NamedTuple):
    """The rows of one space of a window: the number of the oldest one held, the number after the newest, their length.

    Rows are numbered from 0 on in the order in which they came into their space, and keep their number. dtype: of
    their numbers, with its byte order.
    """

    first: int
    last: int
    dimensions: int
    dtype: str = "<f4"


#: from the id of a space and two row numbers: the rows from the first to before the second, (n, dimensions), of the
#: dtype of their space
RowReader = Callable[[str, int, int], np.ndarray]


class Changed:
    """Keys of the entries of a collection that changed, or went, since they were last written down.

    Where more than `most` did, it is only known that anything may have: so it takes no more memory, also where
    nothing is ever written down.
    """

    def __init__(self, most: int = 1 << 17) -> None:
        self._most = most
        self._keys: dict[Any, None] = {}
        self.is_all = True

    def note(self, key: Hashable) -> None:
        """An entry changed, came, or went."""
        if not self.is_all:
            self._keys[key] = None
            if len(self._keys) > self._most:
                self.note_all()

    def note_all(self) -> None:
        """Anything may have changed."""
        self._keys, self.is_all = {}, True

    def begin(self, keys: Iterable[Hashable]) -> None:
        """All is written down anew; these are the entries that there are."""
        self._keys, self.is_all = dict.fromkeys(keys), False

    def take(self, most: int) -> list[Any]:
        """At most so many keys, in the order in which they were noted first; they count as written down."""
        if most >= len(self._keys):
            keys, self._keys = list(self._keys), {}
            return keys
        keys = list(islice(self._keys, most))
        for key in keys:
            del self._keys[key]
        return keys


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
