"""One model's evidence and clients, from its first queries on."""

import msgspec
import numpy as np
import pytest

from bench.benign import ALARM, DATA, stream
from detectors import Query
from exporter.clients import Suspicion
from exporter.clients.warm_up import LEAST, MOST
from exporter.config import Clients
from tests.exporter.clients.streams import interleaved, natural, observe, search, warm

RANDOM = np.random.default_rng(6)


def test_natural_clients_are_ok_and_a_search_is_found_within_a_dozen_queries() -> None:
    model = warm()
    assert {verdict.level for verdict in observe(model, natural(600))} == {"ok"}
    levels = [verdict.level for verdict in observe(model, search(40, start=600.0))]
    assert levels.index("severe") <= 12
    assert set(levels[12:]) == {"severe"}


@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("name", ["3 features, heavy tails", "4 features, categories", "texts from templates"])
def test_long_ordinary_traffic_alarms_nobody(name: str, clients: int) -> None:
    queries = stream(DATA[name], 4_000, clients, seed=3)
    verdicts = observe(Suspicion(Clients(), 7), queries)
    alarmed = {q.client for q, verdict in zip(queries, verdicts, strict=True) if verdict.level in ALARM}
    assert alarmed == set()


@pytest.mark.parametrize("size", [1, 7, 64, 256])
@pytest.mark.parametrize("profile", ["default", "strict", "stream"])
def test_how_queries_are_cut_into_batches_changes_nothing(profile: str, size: int) -> None:
    queries = interleaved()
    whole, parts = warm(profile), warm(profile)
    assert observe(whole, queries) == observe(parts, queries, size)
    now = queries[-1].timestamp
    assert whole.read.clients(now) == parts.read.clients(now)
    assert whole.read.clusters() == parts.read.clusters()


def test_a_live_warm_up_is_the_same_in_any_batches_and_judges_nobody() -> None:
    queries = natural(LEAST + 100)
    whole, parts = (Suspicion(Clients(), 7) for _ in range(2))
    verdicts = observe(whole, queries)
    assert [verdict.level for verdict in verdicts[:LEAST]] == ["warming_up"] * LEAST
    assert observe(parts, queries, 33) == verdicts
    assert whole.read.is_warm
    assert whole.read.window_queries() == LEAST + 100, "the first queries enter the windows"


def test_the_warm_up_says_how_far_it_is_and_begins_anew_when_told() -> None:
    model = Suspicion(Clients(), 7)
    observe(model, natural(50))
    assert model.read.warm_up_ratio() == 50 / LEAST
    observe(model, natural(LEAST))
    assert model.read.warm_up_ratio() == 1.0
    model.restart_warm_up()
    assert model.read.warm_up_ratio() == 0.0
    assert observe(model, natural(1))[0].level == "warming_up"


def test_a_calibration_enters_no_window() -> None:
    model = warm()
    assert model.read.window_queries() == 0
    assert model.read.clients(0.0) == []
    with pytest.raises(ValueError, match="3 readable queries are too few"):
        model.calibrate(natural(3))


def test_a_state_of_another_kind_is_refused_and_leaves_a_fresh_model() -> None:
    model = warm()
    with pytest.raises(ValueError, match="the state is of format"):
        model.load_state({**model.dump_state(), "format": "suspicion 0"})
    assert not model.read.is_warm


def test_allowed_clients_are_never_alarmed_on_and_enter_nothing() -> None:
    model = warm(allow=("attacker",))
    assert {verdict.level for verdict in observe(model, search(100))} == {"ok"}
    assert model.read.window_queries() == 0


def test_templates_are_cut_out_before_texts_are_compared() -> None:
    head = (
        "You are a helpful assistant of a library. Answer in the language of the question, and be brief; say so where "
        "you do not know. Never name another reader, never quote more than a page, and always end with a greeting. "
    )
    words = [" ".join("".join(RANDOM.choice(list("abcdefghij"), 6)) for _ in range(3)) for _ in range(260)]
    texts = [Query(text, [0.9, 0.1], client="app", timestamp=float(n)) for n, text in enumerate(words)]
    plain = [msgspec.structs.replace(query, input_data=head + query.input_data) for query in texts]
    flagged = []
    for templates in ((), (head,)):
        model = Suspicion(Clients(profile="strict", templates=templates), 7)
        model.calibrate(texts[:200])
        flagged.append(sum("near_distance" in verdict.flags for verdict in observe(model, plain[200:])))
    assert flagged[0] > 10
    assert flagged[1] == 0


@pytest.mark.parametrize("size", [1, 77, 1000])
def test_a_probe_among_few_queries_makes_the_warm_up_longer(size: int) -> None:
    model = Suspicion(Clients(), 7)
    probes = [Query([1.0] * 10, [0.7, 0.3], client="probe", timestamp=float(n)) for n in range(4 * LEAST)]
    few = natural(4 * LEAST)
    mixed = [few[place] if place % 4 == 0 else probe for place, probe in enumerate(probes)]
    verdicts = observe(model, mixed, size)
    assert [verdict.level for verdict in verdicts].count("warming_up") == 2 * LEAST
    assert {verdict.level for verdict in verdicts[2 * LEAST :]} == {"ok"}


def test_a_long_warm_up_holds_what_is_the_same_once() -> None:
    model = Suspicion(Clients(), 7)
    texts = ["".join(["a long text, ", str(n % 7)]) for n in range(4 * LEAST)]
    observe(model, [Query(text, [0.9, 0.1], timestamp=float(n)) for n, text in enumerate(texts)])
    assert len({id(query.input_data) for query in model.memory.waiting.queries}) == 7
    assert [query.input_data for query in model.memory.waiting.queries] == texts


@pytest.mark.parametrize("size", [1, 1000])
def test_a_model_that_is_asked_few_things_goes_on_warming_up_until_there_are_enough(size: int) -> None:
    model = Suspicion(Clients(), 7)
    assert {verdict.level for verdict in observe(model, natural(30) * 60, size)} == {"warming_up"}
    assert len(model.memory.waiting) <= MOST
    assert model.memory.waiting.different == 30
    later = natural(2 * LEAST, seed=4, start=1e4)
    assert [verdict.level for verdict in observe(model, later, size)].count("warming_up") == LEAST


def test_a_model_that_is_asked_one_thing_only_goes_on_warming_up() -> None:
    model = Suspicion(Clients(), 7)
    probes = [Query("are you there", [0.7, 0.3], client="probe", timestamp=float(n)) for n in range(3 * LEAST)]
    assert {verdict.level for verdict in observe(model, probes)} == {"warming_up"}
    observe(model, natural(LEAST, start=1e4))
    assert model.read.is_warm


def test_a_calibration_of_one_query_over_and_over_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="1 different queries are too few to learn from; expected 6"):
        Suspicion(Clients(), 7).calibrate(natural(1) * 300)


def test_a_model_of_which_every_query_shares_its_pieces_with_others_is_judged() -> None:
    random = np.random.default_rng(4)
    bodies = ["".join(random.choice(list("abcdefghij "), 400)) for _ in range(8)]

    def asked(count: int, start: int) -> list[Query]:
        texts = [f"{bodies[n % 8]} {n}" for n in range(start, start + count)]
        return [Query(text, [0.9, 0.1], client=f"user {n % 5}", timestamp=float(n)) for n, text in enumerate(texts)]

    model = Suspicion(Clients(), 7)
    model.calibrate(asked(1000, 0))
    verdicts = observe(model, asked(600, 1000))
    assert {verdict.level for verdict in verdicts} == {"ok"}


def test_five_per_cent_of_attacks_in_the_warm_up_do_not_hide_one() -> None:
    model = Suspicion(Clients(), 7)
    model.calibrate(natural(285) + search(15, seed=8))
    levels = [verdict.level for verdict in observe(model, search(60, seed=9))]
    assert levels.index("severe") < 30
    assert {verdict.level for verdict in observe(model, natural(300, start=60.0))} == {"ok"}


def test_a_search_around_a_query_that_many_send_is_found_too() -> None:
    """Where natural queries are all the same, their variants are no less near."""
    rng = np.random.default_rng(11)
    centre = rng.normal(0, 1, 10)

    def row(number: int, client: str, spread: float) -> Query:
        values = centre if number % 10 == 0 else centre + rng.normal(0, spread, 10)
        return Query(values.tolist(), [0.9, 0.1], client=client, timestamp=float(number))

    model = Suspicion(Clients(), 7)
    observe(model, [row(number, f"user {number % 9}", 1.0) for number in range(220)])
    levels = [verdict.level for verdict in observe(model, [row(number, "eve", 0.03) for number in range(300, 360)])]
    assert "severe" in levels[:40]
    assert {model.read.level(f"user {number}", 400.0) for number in range(9)} == {"ok"}
