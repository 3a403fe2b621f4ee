"""`make soak`: every long proof, one after the other, or those that are named. Exits 1 when a promise was not kept."""

import argparse
import sys
from collections.abc import Callable

from soak.crash import KILLED, crash
from soak.disk import full_disk
from soak.evidence import evidence
from soak.pause import pause
from soak.report import Report
from soak.steady import overload, steady

#: in the order in which they run; each takes the seconds that its load lasts, or its own default
PROOFS: dict[str, Callable[[argparse.Namespace], Report]] = {
    **{
        f"crash-{how}": lambda options, how=how: crash(options.seconds or 60.0, options.ends, how, options.seed)
        for how in KILLED
    },
    "full-disk": lambda options: full_disk(options.seconds or 20.0),
    "snapshot": lambda options: pause(),
    "evidence-image": lambda options: evidence("image"),
    "evidence-text": lambda options: evidence("text"),
    "overload": lambda options: overload(options.seconds or 60.0),
    "steady": lambda options: steady(options.seconds or 600.0, options.share),
}


def main() -> None:
    """Run, print, and exit."""
    parser = argparse.ArgumentParser(prog="soak", description="Long proofs on the running program.")
    parser.add_argument("proofs", nargs="*", choices=[[], *PROOFS], default=[], metavar="PROOF", help=", ".join(PROOFS))
    parser.add_argument("--seconds", type=float, help="how long the load of each proof lasts")
    parser.add_argument("--ends", type=int, default=20, help="how often the process is ended at least: %(default)s")
    parser.add_argument("--share", type=float, default=0.8, help="of the measured rate, in steady load: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of when and how it is ended: %(default)s")
    options = parser.parse_args()
    broken = 0
    for name in options.proofs or PROOFS:
        report = PROOFS[name](options)
        print(report.text(), flush=True)
        broken += bool(report.problems)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
