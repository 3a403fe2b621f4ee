"""What an answer means for the records that were sent."""

import json
from enum import Enum
from typing import NamedTuple

from vedette_client.transport import Answer


class Verdict(Enum):
    """What to do next."""

    SETTLED = "settled"  #: taken, or refused for good: go on with the next
    HALVE = "halve"  #: too much at once, or one among them is wrong
    LATER = "later"  #: this lane has to wait
    DOWN = "down"  #: the server cannot be used: all lanes wait


class Outcome(NamedTuple):
    """taken: how many count, `duplicates` of them before. dropped: how many are refused for good, and why.

    told: why, in the exporter's own words: the first of them.
    """

    verdict: Verdict
    taken: int = 0
    duplicates: int = 0
    dropped: int = 0
    reason: str = ""
    told: tuple[str, ...] = ()


#: full or busy, but alive
BUSY = frozenset({408, 425, 429, 507})
#: a key, an address or a redirection that people will put right
WRONG = frozenset({301, 302, 303, 307, 308, 401, 404})
#: tried so often as it is before it is taken apart and, alone, given up: else one record could hold up all for ever
ERRORS_IN_A_ROW = 3

#: reasons of one answer that are passed on, and characters of each
MOST_TOLD, LONGEST_TOLD = 3, 300


def judge(answer: Answer, records: int, shape: str, errors: int = 0) -> Outcome:
    """The outcome of a request with so many records. errors: how often the same ones were answered 500 before."""
    status = answer.status
    if 200 <= status < 300:
        return _taken(answer, records) if shape == "lines" else Outcome(Verdict.SETTLED, taken=records)
    if status in BUSY | WRONG:
        return Outcome(Verdict.LATER)
    if status == 500 and errors < ERRORS_IN_A_ROW:
        return Outcome(Verdict.LATER)
    if status > 500:
        return Outcome(Verdict.DOWN)
    if records > 1 and (status in (400, 413, 500) or (status in (403, 422) and shape == "array")):
        return Outcome(Verdict.HALVE)
    return Outcome(Verdict.SETTLED, dropped=records, reason=_reason(status), told=_told(answer))


def _reason(status: int) -> str:
    return {400: "rejected", 422: "rejected", 413: "too_large", 500: "server_error"}.get(status, "refused")


def _taken(answer: Answer, records: int) -> Outcome:
    """Of `{"accepted", "duplicates", "rejected": [...]}`; a proxy's empty answer counts as all taken."""
    try:
        told = json.loads(answer.body)
        rejected, duplicates = min(len(told["rejected"]), records), int(told["duplicates"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Outcome(Verdict.SETTLED, taken=records)
    return Outcome(Verdict.SETTLED, records - rejected, duplicates, rejected, "rejected", _told(answer))


def _told(answer: Answer) -> tuple[str, ...]:
    """Why, of `{"rejected": [{"index", "reason"}]}` or `{"detail"}`; of whatever else, nothing."""
    try:
        body = json.loads(answer.body)
        if isinstance(body.get("detail"), str):
            return (_one_line(body["detail"]),)
        rejected = body.get("rejected", [])[:MOST_TOLD]
        return tuple(_one_line(f"[{one['index']}] {one['reason']}") for one in rejected)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _one_line(text: str) -> str:
    """A sentence as it may stand in a log, whoever answered."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:LONGEST_TOLD])
