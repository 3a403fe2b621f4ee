"""docker-compose.yml is safe by default and names only what exists."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
#: made by the user
SECRETS = "./alertmanager/secrets"


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_release(name):
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_more_rights_than_it_needs(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_log_fills_the_disk(name):
    assert SERVICES[name]["logging"] == {"driver": "local"}


@pytest.mark.parametrize("name", ["exporter", "prometheus", "alertmanager", "grafana"])
def test_every_server_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_only_the_demo_starts_traffic():
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["traffic"]


def test_named_volumes_are_declared_and_used():
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert {mount for mount in mounts if not mount.startswith((".", "$"))} == set(COMPOSE["volumes"])


def test_mounted_files_exist():
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    files = {mount for mount in mounts if mount.startswith("./")} - {SECRETS}
    assert files
    assert [path for path in sorted(files) if not (ROOT / path).exists()] == []


def test_a_first_start_needs_no_secrets():
    mount = next(volume for volume in SERVICES["alertmanager"]["volumes"] if "ALERTMANAGER_CONFIG" in volume)
    default = re.match(r"\$\{ALERTMANAGER_CONFIG:-(.+?)\}", mount)[1]
    text = (ROOT / default).read_text()
    assert "_file" not in text
    assert yaml.safe_load(text)["global"]["smtp_smarthost"] == "mailpit:1025"


def test_every_scraped_address_and_alertmanager_is_a_service():
    prometheus = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())
    groups = [group for job in prometheus["scrape_configs"] for group in job["static_configs"]]
    groups += prometheus["alerting"]["alertmanagers"][0]["static_configs"]
    hosts = {target.split(":")[0] for group in groups for target in group["targets"]}
    assert hosts - {"localhost"} == {"exporter", "alertmanager"}


def test_the_exporters_image_and_the_package_have_one_version():
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    assert {SERVICES[name]["image"] for name in ("exporter", "traffic")} == {f"vedette:{version}"}


def tool(name):
    found = shutil.which(name, path=str(ROOT / ".cache" / "stack" / "stable" / "usr" / "bin")) or shutil.which(name)
    return found or pytest.skip(f"{name} is not installed")


def test_the_mails_are_written_with_the_bundled_templates():
    named = set(re.findall(r'{{ template "(.+?)"', (ROOT / "docker" / "alertmanager.yml").read_text()))
    bundled = (ROOT / "alertmanager" / "templates" / "vedette.tmpl").read_text()
    assert named
    assert named <= set(re.findall(r'{{ define "(.+?)"', bundled))


@pytest.mark.stack
def test_alertmanager_takes_its_configuration():
    # without the templates, which are beside it only in the container
    command = [tool("amtool"), "check-config", ROOT / "docker" / "alertmanager.yml"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "SUCCESS" in answer.stdout


@pytest.mark.stack
def test_prometheus_takes_its_configuration():
    command = [tool("promtool"), "check", "config", "--syntax-only", ROOT / "docker" / "prometheus.yml"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
