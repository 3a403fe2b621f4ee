"""Drift: alarms where there is none, and what is found where there is. Everything is seeded.

    python -m bench.drift [RUNS]

The false alarms are counted over 1,000 days of a model with 50 features, 24 windows of 1,000 queries a day, tested as
the service tests them: a few minutes. RUNS other than 1,000 are for a quick look.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from bench.row import Row
from detectors.blas import one_thread
from detectors.drift.concept import LEARNED, PageHinkley
from detectors.drift.decision import HOUR, LOW, MEDIUM, Verdict, decide, error_rate
from detectors.drift.embedding import folded
from detectors.drift.samples import Sample, Sorted, compare
from detectors.embeddings.image import embed_pictures
from detectors.embeddings.text import embed_texts

DAYS, WINDOWS, ROWS, FEATURES = 1_000, 24, 1_000, 50
TRIALS = 200
NO_VECTORS = np.zeros((0, 0), np.float32)
NAMES = tuple(f"feature-{index}" for index in range(FEATURES))
#: of the features, by how they are distributed
NORMAL, HEAVY, DISCRETE, CORRELATED = np.split(np.arange(FEATURES), [15, 25, 38])
CATEGORICAL = DISCRETE[-5:]


def rows() -> list[Row]:
    """One row a measurement."""
    with one_thread():
        return [
            false_alarms(DAYS),
            false_alarms_of_texts(TRIALS),
            shifts(),
            digits("rotated by 45°", _rotated),
            digits("dimmed by half", _dimmed),
            texts("another language", GERMAN),
            texts("another topic", COOKING),
            labels(),
            false_concept_alarms(),
            concept_drift(),
            cost(),
        ]


def table(random: np.random.Generator, count: int = ROWS) -> np.ndarray:
    """Rows of 50 features of mixed kinds, float64 (count, 50)."""
    values = random.standard_normal((count, FEATURES))
    mixed = values[:, CORRELATED] * 0.5 + values[:, :1]  # one cause behind all of them
    values[:, CORRELATED] = mixed
    values[:, HEAVY[:4]] = random.standard_t(2.0, (count, 4))
    values[:, HEAVY[4:7]] = np.exp(1.5 * values[:, HEAVY[4:7]])
    values[:, HEAVY[7:]] = random.standard_cauchy((count, 3))
    values[:, DISCRETE[:4]] = random.poisson((0.3, 1.0, 4.0, 30.0), (count, 4))
    values[:, DISCRETE[4:8]] = random.random((count, 4)) < (0.02, 0.1, 0.3, 0.5)
    values[:, CATEGORICAL] = random.geometric((0.1, 0.2, 0.3, 0.5, 0.7), (count, 5))
    return values


def sample(values: np.ndarray) -> Sorted:
    """The rows as the service tests them: the last discrete features are categories, the others numbers."""
    numeric = np.ones(values.shape, bool)
    numeric[:, CATEGORICAL] = False
    return Sorted(Sample(NAMES, values, numeric, NO_VECTORS))


def verdict(reference: Sorted, current: Sorted) -> Verdict:
    """What the service says of a window of an hour."""
    return decide(compare(reference, current), error_rate(HOUR))


def false_alarms(days: int) -> Row:
    """Days on which any window is called at least `low` though nothing has drifted: the strictest way to count."""
    alarmed = 0
    for day in range(days):
        random = np.random.default_rng([1, day])
        reference = sample(table(random))
        found = (verdict(reference, sample(table(random))).severity >= LOW for _ in range(WINDOWS))
        alarmed += any(found)
    name = f"drift: days with a false alarm, {days} days of {WINDOWS} windows, {FEATURES} features"
    return Row(name, 100 * alarmed / days, "%", target=1.0)


def false_alarms_of_texts(days: int) -> Row:
    """The same for texts, which are one feature: the classifier's."""
    alarmed = 0
    for day in range(days):
        random = np.random.default_rng([7, day])
        reference = embed_texts(_sentences(random, ENGLISH))
        current = (embed_texts(_sentences(random, ENGLISH)) for _ in range(WINDOWS))
        alarmed += any(_of_vectors(reference, vectors) >= LOW for vectors in current)
    return Row(
        f"drift: days with a false alarm, {days} days of {WINDOWS} windows of texts",
        100 * alarmed / days,
        "%",
        target=1.0,
    )


def shifts() -> Row:
    """One feature after the other is moved by half of its sd; missed when no alert fires by the second window."""
    missed = 0
    for trial in range(TRIALS):
        random = np.random.default_rng([2, trial])
        before, moved = table(random), trial % (FEATURES - len(CATEGORICAL))
        moved += len(CATEGORICAL) * (moved >= CATEGORICAL[0])
        reference, by = sample(before), 0.5 * before[:, moved].std()
        severities = []
        for _ in range(2):
            current = table(random)
            current[:, moved] += by
            severities.append(verdict(reference, sample(current)).severity)
        missed += max(severities) < MEDIUM
    return Row("drift: 0.5 sd in 1 of 50 features not alerted on in 2 windows", 100 * missed / TRIALS, "%", target=5.0)


def _missed(trials: int, trial: Callable[[np.random.Generator], int]) -> float:
    """The share of trials, in percent, that end below the severity from which an alert fires."""
    return 100 * sum(trial(np.random.default_rng([3, index])) < MEDIUM for index in range(trials)) / trials


def _of_vectors(reference: np.ndarray, current: np.ndarray) -> int:
    empty = np.zeros((0, 0)), np.zeros((0, 0), bool)
    before, after = (Sorted(Sample((), *empty, folded(vectors))) for vectors in (reference, current))
    return verdict(before, after).severity


def _rotated(pictures: np.ndarray) -> np.ndarray:
    from scipy.ndimage import rotate

    return np.clip(rotate(pictures, 45, axes=(1, 2), reshape=False, order=1), 0, 1)


def _dimmed(pictures: np.ndarray) -> np.ndarray:
    return pictures * 0.5


def digits(what: str, change: Callable[[np.ndarray], np.ndarray]) -> Row:
    """scikit-learn's 1,797 digits, half of them the reference, the other half changed."""
    from sklearn.datasets import load_digits

    pictures = load_digits().images / 16.0
    plain, changed = (embed_pictures(list(of.astype(np.float32)[..., None])) for of in (pictures, change(pictures)))

    def trial(random: np.random.Generator) -> int:
        order = random.permutation(len(pictures))
        half = len(order) // 2
        return _of_vectors(plain[order[:half]], changed[order[half:]])

    return Row(f"drift: digits {what}, not alerted on", _missed(TRIALS, trial), "%", target=1.0)


#: slots of sentences: (beginnings, things, ends)
ENGLISH = (
    ("Where is", "I want to return", "Please cancel", "How can I pay for", "Can you send me", "I never got"),
    ("my order", "the parcel", "the invoice", "my refund", "the blue jacket", "the second item", "my subscription"),
    ("from last week?", "as soon as possible.", "it is broken.", "with a credit card?", "to my new address.", "please"),
)
GERMAN = (
    ("Wo ist", "Ich möchte zurückgeben:", "Bitte stornieren Sie", "Wie bezahle ich", "Schicken Sie mir", "Mir fehlt"),
    ("meine Bestellung", "das Paket", "die Rechnung", "meine Erstattung", "die blaue Jacke", "mein Abonnement"),
    ("von letzter Woche?", "so schnell wie möglich.", "denn es ist kaputt.", "mit Kreditkarte?", "bitte", "danke"),
)
COOKING = (
    (
        "How long do I boil",
        "Can I freeze",
        "What goes well with",
        "Should I peel",
        "My oven burns",
        "How much salt for",
    ),
    ("fresh pasta", "potato soup", "the lamb shoulder", "sourdough", "brown lentils", "apple pie", "a soft cheese"),
    ("before serving?", "in a large pan?", "at low heat.", "for six guests?", "with garlic", "overnight?"),
)


def _sentences(random: np.random.Generator, slots: Sequence[Sequence[str]], count: int = ROWS) -> list[str]:
    picks = [random.integers(len(slot), size=count) for slot in slots]
    return [" ".join(slot[pick] for slot, pick in zip(slots, line, strict=True)) for line in zip(*picks, strict=True)]


def texts(what: str, slots: Sequence[Sequence[str]], share: float = 0.2) -> Row:
    """Questions put together from phrases; a fifth of them turns to other ones."""

    def trial(random: np.random.Generator) -> int:
        current = _sentences(random, ENGLISH)
        other = int(share * len(current))
        current[:other] = _sentences(random, slots, other)
        random.shuffle(current)
        return _of_vectors(embed_texts(_sentences(random, ENGLISH)), embed_texts(current))

    name = f"drift: {what} in {share:.0%} of the texts, not alerted on"
    return Row(name, _missed(TRIALS, trial), "%", target=1.0)


def labels() -> Row:
    """Three labels of which the two rarer ones swap how often they come."""

    def column(random: np.random.Generator, weights: Sequence[float]) -> Sorted:
        values = random.choice(3, size=(ROWS, 1), p=weights).astype(np.float64)
        return Sorted(Sample(("prediction.label",), values, np.zeros((ROWS, 1), bool), NO_VECTORS))

    def trial(random: np.random.Generator) -> int:
        return verdict(column(random, (0.5, 0.35, 0.15)), column(random, (0.5, 0.15, 0.35))).severity

    return Row(
        "drift: swapped label frequencies (35 % and 15 %), not alerted on", _missed(TRIALS, trial), "%", target=1.0
    )


def _errors(random: np.random.Generator, share: float, count: int) -> list[bool]:
    return (random.random(count) < share).tolist()


def false_concept_alarms() -> Row:
    """Runs of 24,000 labelled predictions whose share of errors does not change."""
    alarmed = 0
    for run in range(TRIALS):
        random = np.random.default_rng([4, run])
        test = PageHinkley()
        for is_wrong in _errors(random, (0.01, 0.05, 0.2, 0.4)[run % 4], LEARNED + 24_000):
            test.add(is_wrong)
            if test.drifted:
                alarmed += 1
                break
    return Row("drift: runs of 24,000 labels with a false alarm on accuracy", 100 * alarmed / TRIALS, "%", target=1.0)


def concept_drift() -> Row:
    """Labels until an accuracy that fell from 0.9 to 0.75 is an alarm, the median."""
    delays = []
    for run in range(TRIALS):
        random = np.random.default_rng([5, run])
        test = PageHinkley()
        for is_wrong in _errors(random, 0.1, LEARNED + 1_000):
            test.add(is_wrong)
        after = 0
        for is_wrong in _errors(random, 0.25, 10_000):
            test.add(is_wrong)
            after += 1
            if test.drifted:
                break
        delays.append(after)
    return Row("drift: labels until accuracy 0.90 → 0.75 is an alarm", statistics.median(delays), "labels")


def cost() -> Row:
    """A window of 1,000 rows and 50 features from arrays to the verdict, the reference sorted before."""
    random = np.random.default_rng(6)
    reference, costs = sample(table(random)), []
    for _ in range(10):
        current = table(random)
        begun = time.process_time()
        verdict(reference, sample(current))
        costs.append((time.process_time() - begun) * 1e3)
    return Row("drift: a window of 50 features, 1,000 rows", statistics.median(costs[1:]), "ms", target=30.0)


def main() -> None:
    """Measure and print the rows of drift alone."""
    with one_thread():
        quick = [false_alarms(int(sys.argv[1]))] if len(sys.argv) > 1 else []
    for found in quick or rows():
        print("  ".join(found.cells()))


if __name__ == "__main__":
    main()
