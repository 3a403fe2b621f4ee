"""Every panel is asked for real, with the variables as Grafana resolves them."""

import json
from pathlib import Path

import pytest
import requests

from tests.grafana.dashboard_samples import END, FLAGGED, IDLE, RATES, START, TARGETS, VALUES
from tools.grafana_queries import ALL, Window, escape_regex, label_values, questions, resolve, run, written

pytestmark = pytest.mark.stack
BUSY = [model for model in RATES if model != IDLE]
WINDOW = Window(start=START + 600, end=END)
SEVERAL = {"multi": True, "includeAll": True}


def answers(prometheus, dashboard, models):
    """Every panel's answers; a dashboard that shows one model is asked for each of them."""
    model = next((variable for variable in dashboard["templating"]["list"] if variable["name"] == "model"), None)
    if model is None:  # it is about queries of learned series
        return [answer for name in VALUES["query"] for answer in run(prometheus, dashboard, {"query": [name]}, WINDOW)]
    choices = [models] if model["multi"] else [[name] for name in (list(RATES) if models == [ALL] else models)]
    return [answer for chosen in choices for answer in run(prometheus, dashboard, {"model": chosen}, WINDOW)]


def by_labels(answer, *labels):
    """{label values: last value} of every series."""
    return {tuple(found[label] for label in labels): values[-1] for found, values in answer.series}


@pytest.mark.parametrize("models", [BUSY[:1], BUSY, [ALL]], ids=["one model", "two models", "all models"])
def test_every_panel_has_series_that_can_be_drawn(prometheus, dashboard, models):
    filled = {}
    for answer in answers(prometheus, dashboard, models):
        question = answer.question
        assert answer.error is None, (question.panel, question.expression, answer.error)
        assert answer.finite, (question.panel, question.expression)
        assert not answer.missing_legend_labels, (question.panel, question.ref)
        filled[question.panel] = filled.get(question.panel) or bool(answer.series) or question.may_be_empty
    assert filled
    assert [panel for panel, found in filled.items() if not found] == []


@pytest.mark.parametrize("models", [BUSY[:1], BUSY, [ALL]], ids=["one model", "two models", "all models"])
def test_every_ratio_lies_between_0_and_1(prometheus, dashboard, models):
    ratios = [answer for answer in answers(prometheus, dashboard, models) if answer.question.unit == "percentunit"]
    assert any(answer.values for answer in ratios)
    for answer in ratios:
        assert all(0 <= value <= 1 for value in answer.values), answer.question.panel


def test_an_idle_model_is_empty_or_zero_and_never_an_error(prometheus, dashboard):
    for answer in answers(prometheus, dashboard, [IDLE]):
        assert answer.error is None, (answer.question.panel, answer.error)
        assert answer.finite, answer.question.panel
        if "vedette_queries_total" in answer.question.expression:
            assert set(answer.values) <= {0.0}, answer.question.panel


def test_a_model_that_does_not_exist_is_no_error(prometheus, dashboard):
    for answer in answers(prometheus, dashboard, ["gone"]):
        assert answer.error is None, (answer.question.panel, answer.error)


def board(uid):
    return json.loads((Path(__file__).parents[2] / "grafana" / "dashboards" / f"{uid}.json").read_text())


def panel(prometheus, uid, title, models, ref="A"):
    found = answers(prometheus, board(uid), models)
    return next(answer for answer in found if (answer.question.panel, answer.question.ref) == (title, ref))


def test_the_instances_of_a_job_are_added_up(prometheus):
    rates = by_labels(panel(prometheus, "vedette-overview", "Queries judged", BUSY), "model")
    assert rates == pytest.approx({(model,): RATES[model] * len(TARGETS) for model in BUSY})


def test_only_the_chosen_instance_is_counted(prometheus):
    choice = {"instance": [TARGETS[0]["instance"]], "model": ["fraud"]}
    found = run(prometheus, board("vedette-overview"), choice, WINDOW)
    rates = next(answer for answer in found if answer.question.panel == "Queries judged")
    assert by_labels(rates, "model") == pytest.approx({("fraud",): RATES["fraud"]})


def test_the_flagged_share_stands_next_to_the_shares_that_alert(prometheus):
    for detector, share in FLAGGED.items():
        title = f"Flagged share {detector}"
        flagged, warning, critical = (panel(prometheus, "vedette-model", title, ["fraud"], ref) for ref in "ABC")
        assert flagged.values[-1] == pytest.approx(share)
        assert (warning.values[-1], critical.values[-1]) == (0.2, 0.2)


def test_the_distance_to_an_alert_is_the_share_in_parts_of_the_critical_one(prometheus):
    near = by_labels(panel(prometheus, "vedette-overview", "Flagged share ÷ critical share", BUSY), "model", "detector")
    assert near == pytest.approx({(model, name): share / 0.2 for model in BUSY for name, share in FLAGGED.items()})


def test_every_model_is_listed_with_the_age_of_its_last_query(prometheus):
    ages = by_labels(panel(prometheus, "vedette-overview", "Models", [ALL]), "model", "version", "modality")
    assert ages == {(model, "1", "text"): -1 if model == IDLE else 60 for model in RATES}


def test_what_is_left_of_a_budget_is_read_from_raw_counters(prometheus):
    left = by_labels(panel(prometheus, "vedette-health", "Budget left", ["fraud"]), "slo")
    # one of 1,000 is bad, and one of 100 may be
    assert left == pytest.approx({("availability",): 0.9, ("latency",): 0.9})


def test_a_firing_alert_is_listed_with_the_time_since_when(prometheus):
    firing = panel(prometheus, "vedette-overview", "Firing alerts", ["fraud"])
    labels = by_labels(firing, "severity", "alertname", "model", "detector")
    assert labels == {("warning", "VedetteFlaggedShareHigh", "fraud", name): START * 1000 for name in FLAGGED}


def test_score_buckets_are_asked_for_one_detector_at_a_time(prometheus):
    buckets = panel(prometheus, "vedette-model", "Scores by bucket confidence", ["fraud"])
    assert sorted(labels["le"] for labels, _ in buckets.series) == ["+Inf", "0.5", "0.9"]


# -- variables


def test_a_variable_offers_what_the_one_before_it_leaves(prometheus):
    with requests.Session() as session:
        _, values = resolve(prometheus, session, board("vedette-overview"), {}, WINDOW)
        assert values["job"] == ["vedette"]
        assert values["instance"] == [target["instance"] for target in TARGETS]
        assert values["model"] == sorted(RATES)
        _, values = resolve(prometheus, session, board("vedette-overview"), {"job": ["another"]}, WINDOW)
    assert (values["instance"], values["model"]) == ([], [])


def test_one_model_is_chosen_where_there_is_no_all(prometheus):
    with requests.Session() as session:
        texts, values = resolve(prometheus, session, board("vedette-model"), {}, WINDOW)
    assert (texts["model"], values["model"]) == ("fraud", ["fraud"])
    assert values["detector"] == sorted(FLAGGED)


def test_a_variable_that_is_no_label_values_query_is_refused():
    with requests.Session() as session, pytest.raises(ValueError, match=r"not a label_values query: metrics\(x\)"):
        label_values("http://127.0.0.1:1", session, "metrics(x)", WINDOW)


def test_a_chosen_value_matches_itself_and_nothing_else():
    assert escape_regex("team/chat-7b.v2") == r"team/chat-7b\\.v2"
    assert written(SEVERAL, ["a.b", "c"], []) == r"(a\\.b|c)"


def test_all_stands_for_the_values_or_for_the_variables_own_expression():
    assert written(SEVERAL, [ALL], ["a", "b"]) == "(a|b)"
    assert written(SEVERAL | {"allValue": ".*"}, [ALL], ["a", "b"]) == ".*"


def test_the_rate_interval_holds_four_scrapes():
    assert Window(0, 60, step_seconds=5, scrape_seconds=15).built_in()["__rate_interval"] == "60s"
    assert Window(0, 60, step_seconds=300, scrape_seconds=15).built_in()["__rate_interval"] == "315s"


def test_a_repeated_row_is_asked_once_for_each_value():
    overview = board("vedette-model")
    texts = {**WINDOW.built_in(), "job": "j", "instance": "i", "model": "m", "detector": ".*"}
    titles = [question.panel for question in questions(overview, texts, {"detector": ["one", "two"]})]
    assert titles.count("Window one") == titles.count("Window two") == 1
    assert titles.count("Queries") == 2  # two queries, not repeated
