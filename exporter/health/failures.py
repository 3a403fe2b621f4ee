"""Why an inference failed: the text of an error as one word of a closed set.

What the client did wrong is a failure like any other, but no bad event of an objective and in no alert: else whoever
sends nonsense decides whether the model is called ill.
"""

import re
from functools import lru_cache

#: the closed set of the `reason` label
REASONS = ("client_error", "rate_limited", "timeout", "unavailable", "server_error", "other")
#: those for which the model cannot be blamed
CLIENT_FAULTS = frozenset({"client_error", "rate_limited"})
#: characters of an error that are looked at
LONGEST = 256

_STATUS = re.compile(r"(?:^|\b(?:http|status|code|error)\w*[ :=/]{1,3})([45]\d\d)\b", re.ASCII | re.IGNORECASE)
_OF_STATUS = {408: "timeout", 504: "timeout", 429: "rate_limited", 502: "unavailable", 503: "unavailable"}
#: the first that is found; words as gateways, servers and Python's own exceptions write them
_WORDS = (
    # Python's own exceptions of a server that is not whole, before words in their names are taken for a client's faults
    ("server_error", re.compile(r"\b(?:(?:File|Module)NotFoundError|PermissionError|InvalidStateError)\b")),
    ("timeout", re.compile(r"time.?out|timed out|deadline", re.IGNORECASE)),
    ("rate_limited", re.compile(r"rate.?limit|too many requests|quota", re.IGNORECASE)),
    ("unavailable", re.compile(r"unavailable|overloaded|connection|bad gateway|refused", re.IGNORECASE)),
    (
        "client_error",
        re.compile(
            r"bad.?request|invalid|unauthori[sz]ed|authentication|permission|forbidden|not.?found|unprocessable|"
            r"too (?:long|large)|context.?(?:length|window)|content.?(?:filter|policy)",
            re.IGNORECASE,
        ),
    ),
    ("server_error", re.compile(r"internal|server.?error|out.?of.?memory|\boom\b", re.IGNORECASE)),
)


@lru_cache(maxsize=4096)
def _reason(text: str) -> str:
    status = _STATUS.search(text)
    if status:
        code = int(status[1])
        return _OF_STATUS.get(code) or ("client_error" if code < 500 else "server_error")
    return next((reason for reason, words in _WORDS if words.search(text)), "other")


def reason(error: str) -> str:
    """The word for an error: from its HTTP status where it names one, else from words in it, else `other`."""
    return _reason(error[:LONGEST])
