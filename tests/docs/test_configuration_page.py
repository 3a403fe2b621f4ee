"""docs/configuration.md says what the records say, and everything in it can be read."""

import re
from pathlib import Path
from typing import get_args, get_origin

import msgspec
import pytest
import yaml

from exporter.config import Config, DetectorConfig, detector_name
from exporter.config.records import Record, convert, expected
from exporter.config.yaml_lines import MAX_CHARACTERS, MAX_VALUES
from exporter.config_change import FIXED
from exporter.config_file import ConfigError, parse

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `([a-z_.\[\]]+)` \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


#: sections that may be left out as a whole
SECTIONS = {
    "sources.drop_directory",
    "access.jwt",
    "access.rate_limit",
    "anomalies.prometheus",
    "anomalies.prometheus.basic_auth",
}


def record_in(kind):
    """The record that a field holds, alone or in a list; None for plain values and for detectors."""
    kinds = [kind, *get_args(kind), *(inner for one in get_args(kind) for inner in get_args(one))]
    found = [one for one in kinds if isinstance(one, type) and issubclass(one, Record)]
    return found[0] if found and found[0] is not DetectorConfig else None


def keys(record, prefix=""):
    """(key, field) for every key that people can write; sections with a default only through their keys."""
    for field in msgspec.structs.fields(record):
        key = f"{prefix}{field.name}"
        inner = record_in(field.type)
        is_list = get_origin(field.type) is tuple
        if inner is None or is_list or key in SECTIONS:
            yield key, field
        if inner is not None:
            yield from keys(inner, f"{key}[]." if is_list else f"{key}.")


KEYS = dict(keys(Config))
#: keys that may be left out without anything taking their place
OPTIONAL = SECTIONS | {
    "defaults.drift.reference.file",
    "access.keys_file",
    "access.jwt.secret_file",
    "access.jwt.public_key_file",
    "access.jwt.jwks_file",
    "access.jwt.issuer",
    "access.jwt.audience",
    "access.pseudonym_secret_file",
    "access.rate_limit.burst",
    "models[].expected_interval",
    "history.url",
    "history.password_file",
    "alerts.url",
    "alerts.credentials_file",
    "models[].environment",
    "models[].thresholds.cost_per_hour",
    "models[].objectives.availability",
    "models[].objectives.latency",
    "external.grafana_url",
    "external.alertmanager_url",
    *(f"anomalies.prometheus.{name}" for name in ("ca_file", "cert_file", "key_file", "server_name")),
    "anomalies.prometheus.credentials_file",
    "anomalies.queries[].group",
}


def test_the_page_names_every_key_once_and_no_other():
    assert sorted(key for key, *_ in ROWS) == sorted(KEYS)
    assert len(KEYS) > 25


@pytest.mark.parametrize(("key", "words", "default", "meaning"), ROWS)
def test_type_and_default_of_a_key_are_those_of_the_record(key, words, default, meaning):
    field = KEYS[key]
    assert words == expected(field.type)
    assert meaning.endswith(".")
    if field.required:
        assert default == "required"
    elif field.default is None:
        above = "as above" if key.startswith("anomalies.") else "as in `defaults`"
        assert default == ("none" if key in OPTIONAL else above)
    elif key != "defaults.detectors":
        written = yaml.safe_load(default.strip("`"))
        by_default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        assert convert(field.type, written, (), pytest.fail) == by_default


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_can_be_read(snippet):
    parse(snippet, "snippet", {"FRAUD_MODEL": "fraud", "SERIES": "500"})


def test_the_snippet_of_the_default_detectors_is_the_default():
    [snippet] = [snippet for snippet in SNIPPETS if snippet in PAGE.split("`defaults.detectors` is:")[1]]
    assert parse(snippet) == Config()


def test_the_example_has_every_section_and_every_key_of_a_model():
    example = yaml.safe_load(SNIPPETS[0])
    assert set(example) == set(Config.__struct_fields__)
    written = set().union(*example["models"])
    assert written == {key.split("].")[1].split(".")[0] for key in KEYS if key.startswith("models[].")}


def test_the_errors_shown_are_real():
    text = "models:\n- name: m\n  version: a\n  expected_interval: 5 minutes\n  modality: text\n  detector: []\n"
    with pytest.raises(ConfigError) as error:
        parse(text, "vedette.yml")
    assert f"```text\n{error.value}\n```" in PAGE


def test_the_table_of_modalities_is_how_detectors_are_named():
    rows = re.findall(r"^\| ([a-z, ]+) \| `(\w+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)
    named = {modality: names for modalities, *names in rows for modality in modalities.split(", ")}
    assert set(named) == set(get_args(KEYS["models[].modality"].type))
    for modality, names in named.items():
        assert names == [detector_name("repetition", modality), detector_name("similarity", modality)]


def test_the_page_names_what_needs_a_restart_and_the_bounds_of_a_file():
    section = PAGE.split("## Reload")[1].split("##")[0]
    assert set(re.findall(r"`([a-z]+\.[a-z_]+)`", section)) == set(FIXED)
    assert f"{MAX_CHARACTERS:,} characters and {MAX_VALUES:,} values" in PAGE
