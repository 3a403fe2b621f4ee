"""Provisioning, docker-compose.yml and the dashboards agree with each other."""

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "grafana" / "provisioning"


@pytest.fixture
def datasource():
    text = (PROVISIONING / "datasources" / "prometheus.yml").read_text()
    return yaml.safe_load(text)["datasources"][0]


@pytest.fixture
def grafana():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]


def test_the_data_source_has_a_fixed_uid_and_a_type_that_the_variable_offers(datasource):
    assert datasource["uid"] == "vedette-prometheus"
    assert datasource["type"] == "prometheus"


def test_the_data_source_knows_the_scrape_interval(datasource):
    prometheus = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())
    assert datasource["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


def test_dashboards_are_read_from_where_they_are_mounted(grafana):
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "vedette.yml").read_text())["providers"][0]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).parent == Path(provider["options"]["path"])
    assert (ROOT / "grafana" / "dashboards" / Path(home).name).exists()


def test_the_unit_ids_are_those_of_the_pinned_grafana(grafana):
    units = json.loads((Path(__file__).parent / "units.json").read_text())
    assert units["source"].removeprefix("@grafana/data ") == grafana["image"].removeprefix("grafana/grafana:")
    assert len(units["units"]) > 200
