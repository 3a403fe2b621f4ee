"""Concept drift: the share of wrong predictions rises, by Page's test on a stream of errors.

The test adds up, error by error, how much more likely a worse model made it than the usual one, and never falls below
0: the Page-Hinkley test with the likelihood ratio in the place of the distance from the mean. The distance alone calls
three errors in a row of a model that makes one in a hundred a drift.
"""

import math

#: predictions from which the usual share of errors is learned
LEARNED = 500
#: how much worse the worse model is
RISE = 0.05
#: how far above the learned share the usual one may truly lie, in standard errors
MARGIN = 2.5
#: the log-likelihood ratio from which it is drift: on average e^15 predictions lie between two false alarms
BOUND = 15.0


class PageHinkley:
    """The running test. Add predictions as they come; `drifted` says whether the share of errors is above the usual.

    A rise within the margin and half of RISE is tolerated for ever: 6 points at a share of 0.1, 8 at 0.5. The sum is
    bounded to twice BOUND, so that a long drift is over soon after it ends.
    Source: Page 1954, Hinkley 1971; for the mean time between false alarms, Lorden 1971.
    """

    def __init__(self) -> None:
        self.learned = self.wrong = 0
        self.sum = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether the usual share of errors is known."""
        return self.learned >= LEARNED

    @property
    def usual(self) -> float | None:
        """The usual share of errors, 0 to 1; None before it is known."""
        return self.wrong / self.learned if self.is_ready else None

    @property
    def drifted(self) -> bool:
        """Whether the share of errors has risen."""
        return self.sum > BOUND

    def add(self, is_wrong: bool) -> None:
        """Take in one prediction of which the truth is known."""
        if not self.is_ready:
            self.learned += 1
            self.wrong += is_wrong
            return
        usual, worse = self._shares()
        if worse >= 1.0:
            return  # a model that is nearly always wrong does not get worse
        step = math.log(worse / usual) if is_wrong else math.log((1.0 - worse) / (1.0 - usual))
        self.sum = min(max(self.sum + step, 0.0), 2.0 * BOUND)

    def _shares(self) -> tuple[float, float]:
        """Shares of errors of the usual model, at its worst, and of a worse one."""
        share = (self.wrong + 1) / (self.learned + 2)
        usual = share + MARGIN * math.sqrt(share * (1.0 - share) / self.learned)
        return usual, usual + RISE
