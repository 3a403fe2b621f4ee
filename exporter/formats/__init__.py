"""Wire formats: bytes in, queries and rejections out. One file a format; pure functions.

A decoder returns (queries, rejections) and raises `Unreadable` when the body as a whole makes no sense, and
`TooMany` when it holds more records than one body may.
"""

#: why a record was rejected: the closed set of the `reason` label
REJECTION_CODES = (
    "malformed",  # the record is no JSON (or CSV, or image)
    "missing_field",  # no input
    "wrong_type",  # a field has another type than expected
    "invalid_output",  # the answer holds numbers that are neither probabilities nor logits
    "invalid_input",  # the input is there and cannot be what it says it is
    "too_large",  # a text, vector, image or batch beyond its limit
    "forbidden_model",  # the key of the sender is not for this model
    "queue_full",  # there was no room: the sender was told to come again
    "not_stored",  # the journal is at its bound, or the disk refused to write
)
#: the same for samples
SAMPLE_REJECTION_CODES = (
    *REJECTION_CODES,
    "unknown_metric",  # a custom metric that is not declared, or one more than there may be
    "other_declaration",  # a custom metric of another kind or with other labels
    "too_many_series",  # there is no room for another series
)


class Unreadable(ValueError):
    """The body as a whole cannot be read; nothing of it was taken."""


class TooMany(ValueError):
    """A body of more records than are allowed; nothing of it was taken."""

    def __init__(self, records: int, limit: int) -> None:
        super().__init__(f"{records} records in one body, more than the {limit} allowed")
        self.records = records


class Refused(ValueError):
    """One record that cannot be taken: `code` is one of REJECTION_CODES, `reason` a sentence for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason
