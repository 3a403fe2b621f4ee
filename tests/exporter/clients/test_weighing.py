"""What each query says of its client and its cluster."""

import msgspec

from detectors import Query
from tests.exporter.clients.streams import natural, observe, search, warm


def test_what_most_clients_do_speaks_against_none_of_them_and_what_one_does_against_it() -> None:
    for doing in (1, 8):
        model = warm()
        rows = natural(1200, seed=11)
        for n in range(len(rows)):
            if n % 8 < doing:
                rows[n] = msgspec.structs.replace(rows[n % 8], timestamp=float(n), id=str(n))
            rows[n] = msgspec.structs.replace(rows[n], client=f"user {n % 8}")
        observe(model, rows)
        levels = [model.read.level(f"user {n}", rows[-1].timestamp) for n in range(8)]
        [repeats] = [bit for bit in model.read.bits() if bit.name == "exact_repeat"]
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


def test_queries_without_a_client_make_clusters_and_nothing_else() -> None:
    model = warm()
    verdicts = observe(model, search(30, None))
    assert {verdict.level for verdict in verdicts} == {"ok"}
    assert "cluster" in verdicts[-1].flags
    assert [cluster.accounts for cluster in model.read.clusters()] == ["none"]
    assert model.read.clients(0.0) == []
    assert model.counts.without_client == 30


def test_a_search_that_is_spread_over_accounts_is_one_cluster_and_reaches_them_all() -> None:
    model = warm()
    observe(model, natural(400))
    spread = [
        msgspec.structs.replace(query, client=f"account {n % 20}") for n, query in enumerate(search(80, start=400.0))
    ]
    observe(model, spread)
    [cluster] = model.read.clusters()
    assert (cluster.accounts, len(cluster.clients)) == ("several", 20)
    levels = {view.client: view.level for view in model.read.clients(480.0)}
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
