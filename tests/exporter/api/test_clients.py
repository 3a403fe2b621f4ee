"""Clients over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from exporter.config import Clients, Config, Defaults, Model, OwnClients
from tests.exporter.conftest import CONFIDENCE, Exporter
from tests.exporter.traffic import WARM_UP, natural, repeats

Serve = Callable[..., Exporter]
Build = Callable[..., Config]


def push(exporter: Exporter, events: list[dict[str, Any]]) -> None:
    assert exporter.push(events).json()["accepted"] == len(events)
    exporter.settle()


@pytest.fixture
def attacked(serve: Serve) -> Exporter:
    """An exporter whose model is warm, and at which `eve` is in alarm."""
    exporter = serve()
    push(exporter, natural(WARM_UP))
    push(exporter, natural(100, seed=2))
    push(exporter, repeats(12))
    return exporter


def test_clients_are_listed_the_most_suspicious_first(attacked: Exporter) -> None:
    answer = attacked.get("/api/v1/clients").json()
    assert answer["total"] == 11
    assert [answer["clients"][0][name] for name in ("model", "client", "level")] == ["default", "eve", "alarm"]
    assert answer["clients"][0]["families"]["repeat"] >= 1
    assert {one["level"] for one in answer["clients"][1:]} == {"ok"}


def test_a_level_asks_for_at_least_that_much(attacked: Exporter) -> None:
    assert [one["client"] for one in attacked.get("/api/v1/clients?level=watch").json()["clients"]] == ["eve"]
    assert attacked.get("/api/v1/clients?level=severe").json() == {"total": 0, "clients": []}


def test_a_list_is_read_in_pages(attacked: Exporter) -> None:
    pages = [attacked.get(f"/api/v1/clients?skip={skip}&limit=4").json() for skip in (0, 4, 8)]
    assert [len(page["clients"]) for page in pages] == [4, 4, 3]
    assert len({one["client"] for page in pages for one in page["clients"]}) == 11


def test_only_the_model_that_was_asked_for_is_listed(attacked: Exporter) -> None:
    assert attacked.get("/api/v1/clients?model=default").json()["total"] == 11
    assert attacked.get("/api/v1/clients?model=another").json()["total"] == 0


def test_one_client_is_shown_with_its_evidence_in_words(attacked: Exporter) -> None:
    [eve] = attacked.get("/api/v1/clients/eve").json()["models"]
    assert eve["examples"][-1]["id"] == "eve-11"
    assert eve["examples"][-1]["flags"] == ["exact_repeat"]
    assert eve["examples"][-1]["reasons"] == ["the same query came 12 times from one client"]


def test_a_client_that_nobody_knows_is_404(attacked: Exporter) -> None:
    for answer in (
        attacked.get("/api/v1/clients/mallory"),
        attacked.session.post(attacked.url + "/api/v1/clients/mallory/dismiss", timeout=30),
        attacked.session.delete(attacked.url + "/api/v1/clients/mallory", timeout=30),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "no model knows this client"})


def test_an_alarm_can_be_dismissed_and_is_counted_as_a_false_one(attacked: Exporter) -> None:
    assert attacked.page()['vedette_client_alarm{client="eve",model="default"}'] == 1
    answer = attacked.session.post(attacked.url + "/api/v1/clients/eve/dismiss", timeout=30)
    assert answer.json() == {"client": "eve", "dismissed": {"default": ["repeat"]}}
    page = attacked.page()
    assert 'vedette_client_alarm{client="eve",model="default"}' not in page
    assert page['vedette_client_dismissals_total{family="repeat",model="default"}'] == 1
    assert page['vedette_client_alarms_total{family="repeat",model="default"}'] == 1


def test_a_client_can_be_erased(attacked: Exporter) -> None:
    answer = attacked.session.delete(attacked.url + "/api/v1/clients/eve", timeout=30)
    assert answer.json() == {"client": "eve", "erased": {"default": True}}
    assert attacked.get("/api/v1/clients/eve").status_code == 404
    assert 'vedette_client_alarm{client="eve",model="default"}' not in attacked.page()


def test_a_decision_that_cannot_be_kept_says_so(attacked: Exporter) -> None:
    attacked.saves = False
    answer = attacked.session.post(attacked.url + "/api/v1/clients/eve/dismiss", timeout=30)
    assert answer.status_code == 507
    assert answer.json() == {"detail": "done, but not on the disk: after a restart it may be undone"}


def test_a_client_with_odd_characters_is_found_by_its_name_and_by_its_label(serve: Serve) -> None:
    exporter = serve()
    push(exporter, natural(WARM_UP))
    push(exporter, repeats(12, client="team a/eve"))
    assert exporter.page()['vedette_client_alarm{client="team_a/eve",model="default"}'] == 1
    for name in ("team%20a%2Feve", "team_a/eve"):
        assert len(exporter.get(f"/api/v1/clients/{name}").json()["models"]) == 1


def test_the_warm_up_shows_what_is_of_use_and_can_begin_anew(attacked: Exporter) -> None:
    [before] = attacked.get("/api/v1/warm-up").json()["models"]
    assert (before["model"], before["ratio"]) == ("default", 1)
    assert next(bit for bit in before["evidence"] if bit["name"] == "exact_repeat")["off"] == ""
    answer = attacked.session.post(attacked.url + "/api/v1/models/default/warm-up", timeout=30)
    assert answer.json() == {"status": "success"}
    assert attacked.get("/api/v1/warm-up").json()["models"][0]["ratio"] == 0
    missing = attacked.session.post(attacked.url + "/api/v1/models/another/warm-up", timeout=30)
    assert (missing.status_code, missing.json()) == (404, {"detail": "there is no such model"})


def test_clusters_are_listed_with_their_accounts(serve: Serve) -> None:
    exporter = serve()
    push(exporter, natural(WARM_UP))
    base = natural(1, seed=3)[0]["input"]
    push(
        exporter,
        [
            {"id": f"v{n}", "client": f"account-{n % 5}", "input": f"{base} {n:02}", "output": [0.9, 0.1]}
            for n in range(30)
        ],
    )
    [cluster] = exporter.get("/api/v1/clusters").json()["clusters"]
    assert (cluster["model"], cluster["accounts"], len(cluster["clients"])) == ("default", "several", 5)
    page = exporter.page()
    assert page['vedette_query_clusters{accounts="several",model="default"}'] == 1
    assert page['vedette_query_clusters{accounts="none",model="default"}'] == 0


def test_clients_on_the_allow_list_are_not_judged(serve: Serve, config: Build) -> None:
    clients = Clients(allow=("eve",))
    exporter = serve(Config(defaults=Defaults(detectors=(CONFIDENCE,), clients=clients), storage=config().storage))
    push(exporter, natural(WARM_UP))
    push(exporter, repeats(12))
    assert exporter.get("/api/v1/clients?level=watch").json()["total"] == 0


def test_where_clients_are_switched_off_nothing_is_known_of_them(serve: Serve, config: Build) -> None:
    exporter = serve(config(models=(Model(name="a", clients=OwnClients(enabled=False)),)))
    push(exporter, natural(WARM_UP))
    push(exporter, repeats(12))
    assert exporter.get("/api/v1/clients").json() == {"total": 0, "clients": []}
    assert not any(name.startswith("vedette_client") for name in exporter.page())


def test_what_is_known_at_one_model_is_not_known_at_another(serve: Serve, config: Build) -> None:
    models = (Model(name="a"), Model(name="b", clients=OwnClients(profile="stream")))
    exporter = serve(config(models=models))
    for name in ("a", "b"):
        push(exporter, [{**event, "model": name} for event in natural(WARM_UP)])
        push(exporter, [{**event, "model": name} for event in repeats(12)])
    levels = {one["model"]: one["level"] for one in exporter.get("/api/v1/clients/eve").json()["models"]}
    assert levels == {"a": "alarm", "b": "ok"}


# -- pages


def test_the_page_of_a_client_tells_what_speaks_against_it(attacked: Exporter) -> None:
    page = attacked.get("/clients/eve?model=default")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for said in ("<h1>eve</h1>", "At default", "repeat ", "the same query came 12 times from one client", "eve-11"):
        assert said in page.text, said
    assert attacked.get("/clients/mallory").status_code == 404


def test_the_list_leads_to_the_clients(attacked: Exporter) -> None:
    page = attacked.get("/clients").text
    assert '<a href="/clients/eve?model=default">eve</a>' in page
    assert page.index("eve") < page.index("client-1")
    assert "11 of 11 clients" in page


def test_names_from_outside_cannot_write_on_a_page(serve: Serve) -> None:
    exporter = serve()
    push(exporter, natural(WARM_UP))
    push(exporter, repeats(12, client='<script>alert("x")</script>'))
    for path in ("/clients", "/clients/%3Cscript%3Ealert(%22x%22)%3C%2Fscript%3E"):
        page = exporter.get(path)
        assert page.status_code == 200
        assert "<script" not in page.text


def test_a_page_without_clients_says_why(serve: Serve) -> None:
    assert "a model's first 200 queries teach what is natural" in serve().get("/clients").text
