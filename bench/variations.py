"""How the evidence does on attacks and data beyond the development traces: `python -m bench.variations [SEED]`.

Models, data and attacks are made here, seeded: wine, even digits and texts of other modules; gradient estimates, random
search, coordinate search, walks along a boundary, copying; benign jitter, video, what-if and typing; warm-ups in which
5 % of the queries are an attack's. Takes about a minute. Not a held-out test: with seed 0, gradient estimates
and typing here led to the weights of far variants and of links.
"""

import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from detectors import Query
from exporter.clients import Suspicion
from exporter.config import Clients

WARM_UP = 200
ALARM = ("alarm", "severe")


class Data(NamedTuple):
    """A model behind an API: what it is asked, how it answers, and in which range its inputs lie."""

    name: str
    natural: list[Any]
    answer: Callable[[Sequence[Any]], list[list[float]]]
    low: Any = None
    high: Any = None


class Stream(NamedTuple):
    """Queries with the client of each, and whether they are an attack's."""

    name: str
    inputs: list[Any]
    clients: list[str]
    attack: list[bool]


# -- data and models


def wine(seed: int) -> Data:
    """Rows of 13 features with jitter of a quarter of their spread, and a forest."""
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(seed)
    rows, labels = load_wine(return_X_y=True)
    model = RandomForestClassifier(60, random_state=seed).fit(rows, labels)
    drawn = rows[random.integers(0, len(rows), 1200)] + random.normal(0, 0.25, (1200, 13)) * rows.std(axis=0)

    def answer(values: Sequence[Any]) -> list[list[float]]:
        return model.predict_proba(np.array(values)).tolist()

    return Data("wine", drawn.tolist(), answer, rows.min(axis=0), rows.max(axis=0))


def digits(seed: int) -> Data:
    """Even digits, 8 x 8, and a logistic regression."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(seed)
    pictures, labels = load_digits(return_X_y=True)
    pictures, labels = pictures[labels % 2 == 0] / 16, labels[labels % 2 == 0]
    order = random.permutation(len(pictures))
    model = LogisticRegression(max_iter=300).fit(pictures[order[:250]], labels[order[:250]])

    def answer(values: Sequence[Any]) -> list[list[float]]:
        return model.predict_proba(np.array(values).reshape(len(values), -1)).tolist()

    natural = [picture.reshape(8, 8).astype(np.float32) for picture in pictures[order[250:]]]
    return Data("even digits", natural, answer, 0.0, 1.0)


def texts(seed: int) -> Data:
    """Sentences of docstrings of other packages, and naive Bayes that says from which."""
    import numpy as package_1
    import scipy as package_2
    import sklearn as package_3
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import ComplementNB

    random = np.random.default_rng(seed)
    sentences = [(one, label) for label, p in enumerate((package_1, package_2, package_3)) for one in _sentences(p)]
    order = random.permutation(len(sentences))[:1800]
    chosen = [sentences[place] for place in order]
    vectors = HashingVectorizer(n_features=4096, alternate_sign=False)
    known = chosen[:600]
    model = ComplementNB().fit(vectors.transform([text for text, _ in known]), [label for _, label in known])

    def answer(values: Sequence[Any]) -> list[list[float]]:
        return model.predict_proba(vectors.transform(values)).tolist()

    return Data("texts", [text for text, _ in chosen[600:]], answer)


def _sentences(package: Any) -> list[str]:
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))
    found = []
    for name in names:
        module = sys.modules.get(f"{package.__name__}.{name}")
        members = inspect.getmembers(module) if module is not None else []
        docs = [inspect.getdoc(member) or "" for _, member in members if callable(member)]
        found += [part.replace("\n", " ").strip() for doc in docs for part in doc.split(". ")]
    return sorted({one for one in found if 40 <= len(one) <= 240})


# -- streams


def natural(data: Data, seed: int, clients: int, first: int = WARM_UP) -> Stream:
    """What is left of the natural queries, from so many clients."""
    random = np.random.default_rng(seed)
    inputs = data.natural[first:]
    return Stream("natural", inputs, [f"user-{random.integers(clients)}" for _ in inputs], [False] * len(inputs))


def _attack(name: str, inputs: list[Any]) -> Stream:
    return Stream(name, inputs, ["attacker"] * len(inputs), [True] * len(inputs))


def _shaped(data: Data, row: np.ndarray) -> Any:
    row = np.clip(row, data.low, data.high) if data.low is not None else row
    return row.astype(np.float32) if row.ndim == 2 else row.tolist()


def _spread(data: Data) -> Any:
    return 1.0 if np.ndim(data.low) == 0 else (np.asarray(data.high) - np.asarray(data.low)) / 4


def gradient_estimates(data: Data, seed: int) -> Stream:
    """NES: pairs of points on both sides of the current one, 20 a step (Ilyas et al. 2018)."""
    random, inputs = np.random.default_rng(seed), []
    for target in range(3):
        point = np.array(data.natural[WARM_UP + target], dtype=np.float64)
        for _ in range(12):
            noise = random.normal(0, 1, (10, *point.shape))
            for sign in (1, -1):
                inputs += [_shaped(data, point + sign * 0.05 * _spread(data) * one) for one in noise]
            point = point + 0.03 * _spread(data) * np.sign(random.normal(0, 1, point.shape))
    return _attack("gradient estimates", inputs)


def random_search(data: Data, seed: int) -> Stream:
    """Steps in random directions that are kept one time in four."""
    random, inputs = np.random.default_rng(seed), []
    for target in range(3):
        point = np.array(data.natural[WARM_UP + target], dtype=np.float64)
        for _ in range(200):
            step = point + 0.06 * _spread(data) * random.normal(0, 1, point.shape)
            inputs.append(_shaped(data, step))
            point = step if random.random() < 0.25 else point
    return _attack("random search", inputs)


def coordinate_search(data: Data, seed: int) -> Stream:
    """One number after the other, up and down (as SimBA does)."""
    random, inputs = np.random.default_rng(seed), []
    for target in range(3):
        point = np.array(data.natural[WARM_UP + target], dtype=np.float64)
        for place in random.permutation(point.size)[:100]:
            step = np.zeros(point.size)
            step[place] = 0.2
            for sign in (1, -1):
                inputs.append(_shaped(data, point + sign * step.reshape(point.shape) * _spread(data)))
    return _attack("coordinate search", inputs)


def boundary_walk(data: Data, seed: int) -> Stream:
    """Bisections between two queries, then small steps around the middle."""
    random, inputs = np.random.default_rng(seed), []
    for target in range(10):
        one, other = (np.array(data.natural[WARM_UP + 2 * target + i], dtype=np.float64) for i in (0, 1))
        wanted = np.argmax(data.answer([_shaped(data, one)])[0])
        low, high = 0.0, 1.0
        for _ in range(12):
            middle = (low + high) / 2
            inputs.append(_shaped(data, one + middle * (other - one)))
            same = np.argmax(data.answer(inputs[-1:])[0]) == wanted
            low, high = (middle, high) if same else (low, middle)
        edge = one + high * (other - one)
        inputs += [_shaped(data, edge + 0.03 * _spread(data) * random.normal(0, 1, edge.shape)) for _ in range(40)]
    return _attack("boundary walk", inputs)


def made_up(data: Data, seed: int) -> Stream:
    """Copying with uniform noise."""
    random = np.random.default_rng(seed)
    shape = np.shape(data.natural[0])
    rows = random.uniform(data.low, data.high, (600, *shape))
    return _attack("copying with noise", [_shaped(data, row) for row in rows])


def augmented(data: Data, seed: int) -> Stream:
    """Copying with 60 natural queries and, in rounds, all those so far moved by a step of one size."""
    random = np.random.default_rng(seed)
    points = [np.array(one, dtype=np.float64) for one in data.natural[WARM_UP : WARM_UP + 60]]
    while len(points) < 600:
        points += [point + 0.08 * _spread(data) * np.sign(random.normal(0, 1, point.shape)) for point in points]
    return _attack("copying with augmentation", [_shaped(data, point) for point in points[:600]])


def suffixes(data: Data, seed: int) -> Stream:
    """Texts with a random suffix of 16 characters, one changed at a time."""
    random, inputs = np.random.default_rng(seed), []
    letters = list("abcdefghijklmnopqrstuvwxyz !?*{}")
    for text in data.natural[WARM_UP : WARM_UP + 4]:
        suffix = random.choice(letters, 16)
        for _ in range(120):
            changed = suffix.copy()
            changed[random.integers(16)] = random.choice(letters)
            inputs.append(f"{text} {''.join(changed)}")
            suffix = changed if random.random() < 0.1 else suffix
    return _attack("suffix search", inputs)


def synonyms(data: Data, seed: int) -> Stream:
    """Texts in which one word at a time is left out or taken from another text."""
    random, inputs = np.random.default_rng(seed), []
    for text in data.natural[WARM_UP : WARM_UP + 6]:
        words = text.split()
        others = data.natural[random.integers(WARM_UP, len(data.natural))].split()
        for _ in range(60):
            changed = list(words)
            changed[random.integers(len(words))] = others[random.integers(len(others))]
            inputs.append(" ".join(changed))
    return _attack("word search", inputs)


def video(data: Data, seed: int) -> Stream:
    """Clips of 16 frames, one picture fading into the next, from 5 cameras."""
    random, inputs, clients = np.random.default_rng(seed), [], []
    for clip in range(30):
        one, other = data.natural[WARM_UP + 2 * clip], data.natural[WARM_UP + 2 * clip + 1]
        for frame in range(16):
            picture = one + frame / 40 * (other - one) + random.normal(0, 0.02, one.shape)
            inputs.append(_shaped(data, picture))
            clients.append(f"camera-{clip % 5}")
    return Stream("video", inputs, clients, [False] * len(inputs))


def what_if(data: Data, seed: int) -> Stream:
    """A row, then up to six variants with two numbers changed, from 15 analysts."""
    random, inputs, clients = np.random.default_rng(seed), [], []
    for session in range(150):
        row = np.array(data.natural[WARM_UP + session], dtype=np.float64)
        for _ in range(random.integers(1, 8)):
            inputs.append(_shaped(data, row))
            clients.append(f"analyst-{session % 15}")
            changed = random.choice(row.size, 2, replace=False)
            row = np.array(data.natural[WARM_UP + session], dtype=np.float64)
            row[changed] += random.normal(0, 1, 2) * _spread(data)[changed]
    return Stream("what-if", inputs, clients, [False] * len(inputs))


def typing(data: Data, seed: int) -> Stream:
    """A search that asks after every fourth character or so, from 20 clients."""
    random, inputs, clients = np.random.default_rng(seed), [], []
    for session, text in enumerate(data.natural[WARM_UP : WARM_UP + 60]):
        end = 3
        while end < len(text):
            inputs.append(text[:end])
            clients.append(f"user-{session % 20}")
            end += int(random.integers(2, 8))
    return Stream("typing", inputs, clients, [False] * len(inputs))


def mixed(data: Data, stream: Stream, seed: int, accounts: int) -> Stream:
    """The first 200 queries of an attack, from so many accounts, among natural ones."""
    random = np.random.default_rng(seed)
    benign = natural(data, seed, 12, first=WARM_UP + 100)
    attack = stream.inputs[:200]
    own = [f"account-{random.integers(accounts)}" for _ in attack]
    places = np.sort(random.choice(len(benign.inputs) + len(attack), len(attack), replace=False))
    inputs, clients = list(benign.inputs), list(benign.clients)
    flags = [False] * len(inputs)
    for place, value, client in zip(places.tolist(), attack, own, strict=True):
        inputs.insert(place, value)
        clients.insert(place, client)
        flags.insert(place, True)
    return Stream(f"{stream.name} from {accounts} accounts, among natural", inputs, clients, flags)


# -- measuring


class Result(NamedTuple):
    """What became of one stream: shares of the attack's queries, the first alarm, and innocents that were alarmed."""

    data: str
    stream: str
    profile: str
    coverage: float | None
    first: int | None
    alarmed: int
    innocent: int


def judged(data: Data, stream: Stream, profile: str, warm_up: Sequence[Any]) -> Result:
    """One stream through one model's evidence, learned from these inputs."""
    model = Suspicion(Clients(profile=profile), 7)  # type: ignore[arg-type]
    model.calibrate(_queries(data, warm_up, ["-"] * len(warm_up)))
    queries = _queries(data, stream.inputs, stream.clients)
    verdicts = model.observe(queries, [query.timestamp for query in queries])
    hits = [verdict.level in ALARM for verdict in verdicts]
    attack = [hit for hit, is_attack in zip(hits, stream.attack, strict=True) if is_attack]
    innocent = {client for client, is_attack in zip(stream.clients, stream.attack, strict=True) if not is_attack}
    alarmed = {client for client, hit in zip(stream.clients, hits, strict=True) if hit and client in innocent}
    coverage = sum(attack) / len(attack) if attack else None
    first = attack.index(True) + 1 if any(attack) else None
    return Result(data.name, stream.name, profile, coverage, first, len(alarmed), len(innocent))


def _queries(data: Data, inputs: Sequence[Any], clients: Sequence[str]) -> list[Query]:
    answers = data.answer(inputs)
    return [
        Query(value, model_output=answer, client=client, timestamp=1.7e9 + 0.2 * place)
        for place, (value, answer, client) in enumerate(zip(inputs, answers, clients, strict=True))
    ]


def contaminated(data: Data, stream: Stream, seed: int) -> list[Any]:
    """A warm-up of which 5 % are of the attack."""
    random = np.random.default_rng(seed)
    values = list(data.natural[:WARM_UP])
    for place in random.choice(WARM_UP, WARM_UP // 20, replace=False).tolist():
        values[place] = stream.inputs[int(random.integers(len(stream.inputs)))]
    return values


def results(seed: int = 0) -> Iterator[Result]:
    """All of it, with the profile `default`; hard benign streams with `stream` too."""
    searches = (gradient_estimates, random_search, coordinate_search, boundary_walk, made_up, augmented)
    for data, attacks, hard in (
        (wine(seed), searches, (what_if,)),
        (digits(seed), searches, (video,)),
        (texts(seed), (suffixes, synonyms), (typing,)),
    ):
        warm_up = data.natural[:WARM_UP]
        for clients in (1, 12):
            yield judged(data, natural(data, seed, clients), "default", warm_up)
        for make in hard:
            for profile in ("default", "stream"):
                yield judged(data, make(data, seed), profile, warm_up)
        for attack in attacks:
            stream = attack(data, seed)
            yield judged(data, stream, "default", warm_up)
            name = f"{stream.name}, 5 % of the warm-up"
            yield judged(data, stream._replace(name=name), "default", contaminated(data, stream, seed))
        for accounts in (1, 30):
            yield judged(data, mixed(data, attacks[0](data, seed), seed, accounts), "default", warm_up)


def main() -> None:
    """Measure and print; the seed may be given."""
    for found in results(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        coverage = "" if found.coverage is None else f"coverage {found.coverage:.3f}, first {found.first}"
        innocent = f"{found.alarmed}/{found.innocent} innocent clients" if found.innocent else ""
        print(f"{found.data:12} {found.stream:52} {found.profile:8} {coverage:30} {innocent}".rstrip())


if __name__ == "__main__":
    main()
