"""One model's evidence and clients."""

from typing import Any

import msgspec
import numpy as np
import pytest

from bench.benign import ALARM, DATA, stream
from detectors import Query
from exporter.clients import Suspicion, Verdict
from exporter.clients.bits import FAMILIES, LEVELS
from exporter.clients.suspicion import MOST_CLIENTS
from exporter.clients.warm_up import LEAST
from exporter.config import Clients
from tests.detectors.restart import kept, reader

RANDOM = np.random.default_rng(6)


def natural(count: int, client: str | None = None, seed: int = 1, start: float = 0.0) -> list[Query]:
    """Rows of ten numbers and sure answers; from twelve clients, or from one."""
    random = np.random.default_rng(seed)
    rows = random.normal(0, 1, (count, 10))
    doubts = random.beta(1, 12, count)
    return [
        Query(
            row.tolist(), [1 - doubt, doubt], client=client or f"user {n % 12}", id=f"{seed}-{n}", timestamp=start + n
        )
        for n, (row, doubt) in enumerate(zip(rows, doubts.tolist(), strict=True))
    ]


def search(count: int, client: str | None = "attacker", seed: int = 2, start: float = 0.0) -> list[Query]:
    """Small steps around one row."""
    random = np.random.default_rng(seed)
    row = random.normal(0, 1, 10)
    rows = row + random.normal(0, 0.03, (count, 10))
    return [
        Query(one.tolist(), [0.9, 0.1], client=client, id=f"s{seed}-{n}", timestamp=start + n)
        for n, one in enumerate(rows)
    ]


def warm(profile: Any = "default", **settings: Any) -> Suspicion:
    model = Suspicion(Clients(profile=profile, **settings), 7)
    model.calibrate(natural(300, seed=99))
    return model


def observe(model: Suspicion, queries: list[Query], size: int = 1000) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        verdicts += model.observe(part, [query.timestamp for query in part])
    return verdicts


def interleaved() -> list[Query]:
    """Natural queries, a search, repeats, texts where rows belong, queries without client, answers and time order."""
    mixed = natural(300) + search(60) + natural(40, "again", seed=3) * 2 + search(20, None, seed=5)
    mixed += [
        Query("a text", [0.5, 0.5], client="lost"),
        Query(None, None, client="lost"),
        Query({"x": 1}, client="lost"),
    ]
    order = np.random.default_rng(0).permutation(len(mixed)).tolist()
    return [msgspec.structs.replace(mixed[place], timestamp=10.0 * n) for n, place in enumerate(order)]


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


def test_what_most_clients_do_speaks_against_none_of_them_and_what_one_does_against_it() -> None:
    for doing in (1, 8):
        model = warm()
        rows = natural(1200, seed=11)
        for n in range(len(rows)):
            if n % 8 < doing:
                rows[n] = msgspec.structs.replace(rows[n % 8], timestamp=float(n), id=str(n))
            rows[n] = msgspec.structs.replace(rows[n], client=f"user {n % 8}")
        observe(model, rows)
        levels = [model.level(f"user {n}", rows[-1].timestamp) for n in range(8)]
        [repeats] = [bit for bit in model.bits() if bit.name == "exact_repeat"]
        if doing == 8:
            assert set(levels) == {"ok"}
            assert repeats.off == "set for 99% of the queries of most clients"
        else:
            assert levels == ["alarm"] + ["ok"] * 7
            assert not repeats.off


def test_one_odd_query_is_never_an_alarm() -> None:
    model = warm("strict")
    odd = Query([50.0] * 10, [0.5, 0.5], client="odd", timestamp=0.0)
    assert observe(model, [odd])[0].level in ("ok", "watch")


def test_a_verdict_names_its_evidence_in_words() -> None:
    verdict = observe(warm("strict"), search(20))[-1]
    assert {"near_distance", "cluster"} <= set(verdict.flags)
    assert len(verdict.reasons) == len(verdict.flags)
    assert any("variants of one query" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("size", [1, 7, 64, 256])
@pytest.mark.parametrize("profile", ["default", "strict", "stream"])
def test_how_queries_are_cut_into_batches_changes_nothing(profile: str, size: int) -> None:
    queries = interleaved()
    whole, parts = warm(profile), warm(profile)
    assert observe(whole, queries) == observe(parts, queries, size)
    now = queries[-1].timestamp
    assert whole.clients(now) == parts.clients(now)
    assert whole.clusters() == parts.clusters()


def test_a_live_warm_up_is_the_same_in_any_batches_and_judges_nobody() -> None:
    queries = natural(LEAST + 100)
    whole, parts = (Suspicion(Clients(), 7) for _ in range(2))
    verdicts = observe(whole, queries)
    assert [verdict.level for verdict in verdicts[:LEAST]] == ["warming_up"] * LEAST
    assert observe(parts, queries, 33) == verdicts
    assert whole.is_warm
    assert whole.window_queries() == LEAST + 100, "the first queries enter the windows"


def test_the_warm_up_says_how_far_it_is_and_begins_anew_when_told() -> None:
    model = Suspicion(Clients(), 7)
    observe(model, natural(50))
    assert model.warm_up_ratio() == 50 / LEAST
    observe(model, natural(LEAST))
    assert model.warm_up_ratio() == 1.0
    model.restart_warm_up()
    assert model.warm_up_ratio() == 0.0
    assert observe(model, natural(1))[0].level == "warming_up"


def test_a_calibration_enters_no_window() -> None:
    model = warm()
    assert model.window_queries() == 0
    assert model.clients(0.0) == []
    with pytest.raises(ValueError, match="3 readable queries are too few"):
        model.calibrate(natural(3))


@pytest.mark.parametrize("cut", [30, 250, 400])
def test_state_goes_on_after_a_restart_as_if_nothing_had_been(cut: int) -> None:
    queries, whole, before, after = interleaved(), warm(), warm(), Suspicion(Clients(), 7)
    expected = observe(whole, queries)
    observe(before, queries[:cut])
    state, rows = kept(before)
    after.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert observe(after, queries[cut:]) == expected[cut:]
    assert after.alarms == whole.alarms


def test_an_unfinished_warm_up_goes_on_after_a_restart() -> None:
    queries, whole, before, after = natural(LEAST + 50), *(Suspicion(Clients(), 7) for _ in range(3))
    observe(before, queries[:90])
    state, rows = kept(before)
    after.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert observe(after, queries[90:]) == observe(whole, queries)[90:]


def test_a_state_of_another_kind_is_refused_and_leaves_a_fresh_model() -> None:
    model = warm()
    with pytest.raises(ValueError, match="the state is of format"):
        model.load_state({**model.dump_state(), "format": "suspicion 0"})
    assert not model.is_warm


def test_another_profile_keeps_what_is_natural() -> None:
    model, other = warm(), Suspicion(Clients(profile="strict"), 7)
    observe(model, natural(50))
    state, rows = kept(model)
    other.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert other.is_warm
    assert other.window_queries() == 0


def test_the_secret_is_in_no_state() -> None:
    secret = 0xC0FFEE_DECAF_BAD_FACADE_0123456789
    model = Suspicion(Clients(), secret)
    model.calibrate(natural(300))
    assert str(secret) not in str(model.dump_state())
    assert not any(str(secret).encode() in part.tobytes() for _, part in kept(model)[1].values())
    assert secret.to_bytes(32, "little").strip(b"\0") not in msgspec.msgpack.encode(model.dump_state())


def test_allowed_clients_are_never_alarmed_on_and_enter_nothing() -> None:
    model = warm(allow=("attacker",))
    assert {verdict.level for verdict in observe(model, search(100))} == {"ok"}
    assert model.window_queries() == 0


def test_queries_without_a_client_make_clusters_and_nothing_else() -> None:
    model = warm()
    verdicts = observe(model, search(30, None))
    assert {verdict.level for verdict in verdicts} == {"ok"}
    assert "cluster" in verdicts[-1].flags
    assert [cluster.accounts for cluster in model.clusters()] == ["none"]
    assert model.clients(0.0) == []
    assert model.without_client == 30


def test_a_search_that_is_spread_over_accounts_is_one_cluster_and_reaches_them_all() -> None:
    model = warm()
    observe(model, natural(400))
    spread = [
        msgspec.structs.replace(query, client=f"account {n % 20}") for n, query in enumerate(search(80, start=400.0))
    ]
    observe(model, spread)
    [cluster] = model.clusters()
    assert (cluster.accounts, len(cluster.clients)) == ("several", 20)
    levels = {view.client: view.level for view in model.clients(480.0)}
    assert {levels[f"account {n}"] for n in range(20)} <= {"alarm", "severe"}
    assert {levels[f"user {n}"] for n in range(12)} == {"ok"}


def test_a_cluster_that_comes_into_alarm_counts_backwards() -> None:
    model = warm()
    levels = [verdict.level for verdict in observe(model, search(12))]
    first = levels.index("severe")
    assert levels[:first] == ["ok"] * first, "nothing but the cluster speaks against the client"


def test_repeats_alone_never_go_beyond_an_alarm() -> None:
    model = warm()
    levels = [verdict.level for verdict in observe(model, natural(1, "again") * 500)]
    assert levels[-1] == "alarm"
    assert "severe" not in levels


def test_asking_again_after_an_error_is_no_evidence() -> None:
    model = warm()
    [query] = natural(1, "unlucky")
    failing = [msgspec.structs.replace(query, error="timeout", model_output=None) for _ in range(100)]
    assert {verdict.level for verdict in observe(model, failing)} == {"ok"}


def test_a_constant_probe_is_suggested_for_the_allow_list() -> None:
    model = warm()
    probes = [Query([0.0] * 10, [0.9, 0.1], client="probe", timestamp=30.0 * n) for n in range(12)]
    observe(model, probes)
    [suggestion] = model.suggestions()
    assert (suggestion.client, suggestion.interval_seconds) == ("probe", 30.0)


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


def test_a_bit_that_is_of_no_use_here_is_off_and_says_why() -> None:
    model = Suspicion(Clients(), 7)
    model.calibrate(natural(40) * 5)
    bits = {bit.name: bit for bit in model.bits()}
    assert bits["exact_repeat"].off == "set for 80% of the natural queries"
    assert bits["distance_shape"].off.startswith("only the distances of pictures")
    assert not bits["low_confidence"].off
    assert observe(model, natural(1, "again") * 100)[-1].level == "ok"


def test_a_model_that_is_asked_one_thing_only_goes_on_warming_up() -> None:
    model = Suspicion(Clients(), 7)
    probes = [Query("are you there", [0.7, 0.3], client="probe", timestamp=float(n)) for n in range(3 * LEAST)]
    assert {verdict.level for verdict in observe(model, probes)} == {"warming_up"}
    observe(model, natural(LEAST, start=1e4))
    assert model.is_warm


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


def test_clients_are_bounded_and_the_suspicious_stay() -> None:
    model = warm()
    observe(model, search(40))
    crowd = [Query("x", None, client=f"c{n}", timestamp=100.0 + n) for n in range(MOST_CLIENTS + 10)]
    observe(model, crowd, 5000)
    views = model.clients(1e6)
    assert len(views) <= MOST_CLIENTS
    assert views[0].client == "attacker"


def test_views_are_plain_and_complete() -> None:
    model = warm()
    observe(model, natural(60) + search(30, start=60.0))
    view = model.client("attacker", 90.0)
    assert view is not None
    assert set(view.families) == set(FAMILIES)
    assert (view.queries, view.volume, view.level) == (30, 1.0, "severe")
    assert view.examples
    assert view.clusters
    assert model.levels(90.0) == dict.fromkeys(LEVELS[1:], 0) | {"ok": 12, "severe": 1}
    assert model.levels(1e6) == dict.fromkeys(LEVELS[1:], 0)
    assert model.alarms["variants"] == 1
    assert model.client("nobody", 0.0) is None
    assert msgspec.json.encode([view, model.clusters(), model.bits()])


def test_a_dismissed_client_starts_anew_and_an_erased_one_is_gone() -> None:
    model = warm()
    observe(model, search(30))
    assert model.dismiss("attacker") == ("variants",)
    assert model.level("attacker", 30.0) == "ok"
    assert model.erase("attacker")
    assert model.client("attacker", 30.0) is None
    assert not model.erase("attacker")
    assert model.dismiss("attacker") == ()
    assert "attacker" not in str(model.dump_state())
    model.tidy()
    assert not any(b"attacker" in part.tobytes() for _, part in kept(model)[1].values())


def test_memory_stays_within_what_is_given() -> None:
    model = Suspicion(Clients(), 7, max_bytes=2 << 20)
    model.calibrate(natural(300))
    observe(model, natural(6000, seed=4))
    assert model.window_queries() < 6000
    assert model._history is not None
    assert model._index is not None
    assert model._history.nbytes + model._index.nbytes <= 2 << 20


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
    assert {model.level(f"user {number}", 400.0) for number in range(9)} == {"ok"}
