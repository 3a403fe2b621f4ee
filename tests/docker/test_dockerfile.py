"""The image is pinned, runs without rights, and holds what the tests ran with."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_both_stages_start_from_the_same_pinned_python():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])


def test_it_runs_as_a_numeric_user_that_is_not_root():
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.M) == ["10833:10833"]


def test_nothing_that_installs_or_gains_rights_is_left_and_no_shell_is_needed():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "-perm /6000 -delete" in last
    for tool in ("/usr/local/bin/pip*", "/usr/bin/apt*", "/usr/bin/dpkg*", "/usr/bin/perl*"):
        assert tool in last
    for line in re.findall(r"^(?:ENTRYPOINT|CMD|HEALTHCHECK .* CMD) (.+)$", last, re.M):
        assert isinstance(json.loads(line), list)  # which is run as it stands; a text is run by a shell


def test_it_listens_beyond_the_container_and_says_so():
    assert '"--web.listen-address=0.0.0.0:10833"' in DOCKERFILE
    assert 'HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["vedette", "healthcheck"]' in DOCKERFILE


def test_the_state_is_in_the_volume():
    volume = re.search(r"^VOLUME (.+)$", DOCKERFILE, re.M)[1]
    config = yaml.safe_load((ROOT / "docker" / "vedette.yml").read_text())
    assert config["storage"]["path"].startswith(f"{volume}/")
    assert config["sources"]["drop_directory"]["path"].startswith(f"{volume}/")


def test_every_dependency_is_pinned():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in wanted}
    assert names
    assert names <= set(pins())


@pytest.mark.parametrize("path", re.findall(r"^COPY ((?!--from)[^\n]+) \S+$", DOCKERFILE, re.M))
def test_what_is_copied_is_let_through_and_exists(path):
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name in path.split():
        assert name in let_through
        assert (ROOT / name).exists()
