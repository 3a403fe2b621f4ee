"""One row of numbers, from whatever it comes in."""

from typing import Any

import numpy as np

from detectors.contract import InvalidQuery

NO_NUMBERS = {str, bytes, bool, type(None)}


def finite_row(values: Any, field: str, what: str = "", instead: str = "") -> np.ndarray:
    """A list, tuple, array or tensor of numbers as float64 (d,).

    Raises InvalidQuery for `field`, its message led by `what`, unless it is one row of at least one finite number;
    `instead` says what to do about a number that is not.
    """
    what = what and f"{what}: "
    if hasattr(values, "detach"):  # a tensor, wherever it lies; torch is not imported
        values = values.detach().cpu().numpy()
    if not isinstance(values, (list, tuple, np.ndarray)):
        raise InvalidQuery(field, f"{what}expected a list of numbers, got {type(values).__name__}")
    if isinstance(values, np.ndarray) and values.dtype.kind not in "fiu" and values.size:
        raise InvalidQuery(field, f"{what}expected a list of numbers, got an array of {values.dtype}")
    if not isinstance(values, np.ndarray) and not NO_NUMBERS.isdisjoint(map(type, values)):
        raise InvalidQuery(field, f"{what}expected a list of numbers, and some of its parts are no numbers")
    try:
        row = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidQuery(field, f"{what}expected a list of numbers") from None
    if row.ndim != 1 or not row.size:
        raise InvalidQuery(field, f"{what}expected one row of at least one number, got shape {row.shape}")
    if not np.isfinite(row).all():
        raise InvalidQuery(field, f"{what}{row[~np.isfinite(row)][0]} is not a finite number{instead}")
    return row
