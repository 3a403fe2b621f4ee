"""The severity of a score. By the score alone: a rank says nothing, 1 % of any series has rank 0.99."""

#: the least score of each severity, highest first
LEVELS = (("critical", 3.0), ("high", 2.0), ("medium", 1.5), ("low", 1.0))


def severity(score: float) -> str | None:
    """critical from 3, high from 2, medium from 1.5, low from 1 (the alert line), else None (NaN too)."""
    return next((name for name, least in LEVELS if score >= least), None)
