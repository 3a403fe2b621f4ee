"""Limits that let any supported Grafana load the dashboards; no server is at hand to try it."""

import itertools
import json
import re
from pathlib import Path

import pytest

from tools.grafana_queries import filled, panels, variables

UNITS = set(json.loads((Path(__file__).parent / "units.json").read_text())["units"])
PANEL_TYPES = {"timeseries", "stat", "bargauge", "table", "text", "row"}
#: of the Grafana that docker-compose.yml pins
SCHEMA_VERSION = 42


def tiles(dashboard):
    return [panel["gridPos"] | {"title": panel["title"]} for panel in dashboard["panels"]]


def targets(dashboard):
    return [target for panel, _ in panels(dashboard) for target in panel.get("targets", ())]


def test_the_schema_is_not_newer_than_the_pinned_grafana(dashboard):
    assert dashboard["schemaVersion"] <= SCHEMA_VERSION


def test_the_uid_is_fixed_and_short(dashboard):
    assert re.fullmatch(r"vedette-[a-z-]{1,32}", dashboard["uid"])
    assert "id" not in dashboard


def test_it_refreshes_no_faster_than_every_30_seconds(dashboard):
    assert re.fullmatch(r"(\d+)s", dashboard["refresh"])
    assert int(dashboard["refresh"][:-1]) >= 30


def test_it_can_be_provisioned_as_it_is(dashboard):
    assert "__inputs" not in dashboard
    assert "__requires" not in dashboard


def test_only_plain_panel_types_are_used(dashboard):
    assert {panel["type"] for panel in dashboard["panels"]} <= PANEL_TYPES


def test_only_plain_transformations_are_used(dashboard):
    used = {step["id"] for panel, _ in panels(dashboard) for step in panel.get("transformations", ())}
    assert used <= {"organize", "sortBy"}


def test_every_panel_has_its_own_id(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_panel_says_what_it_shows_and_in_what_unit(dashboard):
    for panel, _ in panels(dashboard):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_every_unit_is_one_that_grafana_knows(dashboard):
    for panel, _ in panels(dashboard):
        overridden = [
            setting["value"]
            for override in panel["fieldConfig"]["overrides"]
            for setting in override["properties"]
            if setting["id"] == "unit"
        ]
        assert {panel["fieldConfig"]["defaults"]["unit"], *overridden} <= UNITS, panel["title"]


def test_no_panel_covers_another(dashboard):
    for one, other in itertools.combinations(tiles(dashboard), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, (one["title"], other["title"])


def test_the_panels_fill_the_width_without_gaps(dashboard):
    for y, line in itertools.groupby(sorted(tiles(dashboard), key=lambda tile: tile["y"]), lambda tile: tile["y"]):
        line = list(line)
        assert sum(tile["w"] for tile in line) == 24, (y, [tile["title"] for tile in line])
        assert len({tile["h"] for tile in line}) == 1, (y, [tile["title"] for tile in line])


def test_the_panels_follow_each_other_without_gaps(dashboard):
    heights = {tile["y"]: tile["h"] for tile in tiles(dashboard)}
    assert sorted(heights) == list(itertools.accumulate([0, *(heights[y] for y in sorted(heights))]))[:-1]


def test_panels_ask_the_prometheus_that_was_chosen(dashboard):
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asked = [panel["datasource"] for panel, _ in panels(dashboard)]
    asked += [target["datasource"] for target in targets(dashboard)]
    asked += [variable["datasource"] for variable in variables(dashboard)]
    assert asked
    assert all(datasource == chosen for datasource in asked)


def test_the_variables_are_chained_from_the_prometheus_down(dashboard):
    listed = dashboard["templating"]["list"]
    *others, subject = [variable["name"] for variable in listed][:4]
    assert others == ["datasource", "job", "instance"]
    assert subject == ("query" if dashboard["uid"] == "vedette-anomalies" else "model")
    queries = {variable["name"]: variable["query"]["query"] for variable in variables(dashboard)}
    assert 'job=~"$job"' in queries["instance"]
    assert 'instance=~"$instance"' in queries[subject]


def test_the_overview_takes_several_models_or_all():
    overview = next(board for board in boards() if board["uid"] == "vedette-overview")
    model = next(variable for variable in variables(overview) if variable["name"] == "model")
    assert (model["multi"], model["includeAll"]) == (True, True)


def boards():
    folder = Path(__file__).parents[2] / "grafana" / "dashboards"
    return [json.loads(path.read_text()) for path in folder.iterdir()]


def test_rates_run_over_grafanas_own_interval(dashboard):
    rates = [target["expr"] for target in targets(dashboard) if re.search(r"\b(rate|increase)\(", target["expr"])]
    assert rates
    for expression in rates:
        # what is defined by the hour or by 30 days is added up over just that
        fixed = set() if re.search(r"\brate\(", expression) else {"1h", "30d"}
        assert set(re.findall(r"\[(.+?)\]", expression)) <= {"$__rate_interval", "$__range"} | fixed


def test_a_panels_queries_have_different_names(dashboard):
    for panel, _ in panels(dashboard):
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs), panel["title"]


def test_overrides_name_queries_and_columns_that_exist(dashboard):
    for panel, _ in panels(dashboard):
        refs = {target["refId"] for target in panel["targets"]}
        columns = {
            name
            for step in panel.get("transformations", ())
            for name in {*step["options"]["indexByName"], *step["options"]["renameByName"].values()}
        }
        for override in panel["fieldConfig"]["overrides"]:
            known = refs if override["matcher"]["id"] == "byFrameRefID" else columns
            assert override["matcher"]["options"] in known, panel["title"]


def test_links_lead_to_dashboards_that_exist(dashboard):
    known = {board["uid"] for board in boards()}
    for uid in re.findall(r"/d/([\w-]+)", json.dumps(dashboard)):
        assert uid in known


def test_an_unknown_variable_in_an_expression_is_an_error():
    with pytest.raises(KeyError):
        filled("rate(x[$unknown])", {})
