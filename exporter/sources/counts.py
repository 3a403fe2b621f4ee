"""What a source counts at its intake."""

from collections import Counter


class IntakeCounts:
    """What one source took in since the start. `accepted` includes the duplicates, which are not judged again."""

    def __init__(self) -> None:
        self.accepted = self.duplicates = 0
        self.rejected: Counter[str] = Counter()
