"""Reading the configuration: what is accepted, and the exact text for everything that is not."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Detector, list_detectors, register_detector, registry
from exporter.config import Config, DropDirectory
from exporter.config_file import ConfigError, load, parse

ENVIRONMENT = {"NAME": "fraud", "SERIES": "500", "PASSWORD": "hunter2", "INTERVAL": "90s"}


def read(text):
    return parse(text, "v.yml", ENVIRONMENT)


def problems(text):
    with pytest.raises(ConfigError) as error:
        read(text)
    assert str(error.value).splitlines() == [str(problem) for problem in error.value.problems]
    return str(error.value).splitlines()


# -- what is accepted


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "~", "{}", "models:\ndefaults:\nlimits: {}\n"])
def test_an_empty_file_gives_the_defaults(text):
    assert read(text) == Config()


def test_no_file_gives_the_defaults():
    assert load(None) == Config()


def test_a_file_is_read(tmp_path):
    path = tmp_path / "vedette.yml"
    path.write_bytes("\ufeffmodels:\r\n- name: ${NAME}\r\n".encode())
    assert [model.name for model in load(path, ENVIRONMENT).models] == ["fraud"]


def test_every_section_is_read():
    config = read(
        """
        models:
        - name: fraud/v2
          version: '1.10'
          modality: tabular
          expected_interval: 1h30m
          detectors:
          - confidence
          - similarity:
              threshold: 0.95
              alert_share: {critical: 0.5}
          - repetition:
        sources: {drop_directory: {path: ./drop, done: delete}}
        storage: {path: /var/lib/vedette, sync: false}
        limits: {body_bytes: 1MB, queue_bytes: 4096, models: 7}
        external: {url: "https://vedette.example:8443/base/", grafana_url: null}
        """
    )
    model = config.model("fraud/v2")
    assert (model.version, model.expected_interval) == ("1.10", 5400.0)
    assert [(detector.name, detector.options) for detector in model.detectors] == [
        ("confidence", {}),
        ("tabular_similarity", {"threshold": 0.95}),
        ("tabular_repetition", {}),
    ]
    assert model.detectors[1].alert_share.critical == 0.5
    assert config.sources.drop_directory == DropDirectory(path="./drop", done="delete")
    assert (config.storage.path, config.storage.sync) == ("/var/lib/vedette", False)
    assert (config.limits.body_bytes, config.limits.queue_bytes, config.limits.models) == (1_000_000, 4096, 7)
    assert config.external.url == "https://vedette.example:8443/base"


def test_plain_numbers_are_in_the_base_unit():
    assert read("models: [{name: m, expected_interval: 45}]").models[0].expected_interval == 45.0


def test_the_environment_gives_numbers_and_durations_too():
    config = read("limits:\n  series: ${SERIES}\nmodels:\n- name: m\n  expected_interval: ${INTERVAL}\n")
    assert (config.limits.series, config.models[0].expected_interval) == (500, 90.0)


def test_anchors_and_merge_keys_spare_repetition():
    config = read("models:\n- &a {name: a, modality: text, expected_interval: 5m}\n- {<<: *a, name: b}\n")
    assert [(model.name, model.expected_interval) for model in config.models] == [("a", 300.0), ("b", 300.0)]


def test_the_name_default_may_be_configured():
    assert read("models: [{name: default}]").models[0].name == "default"


def test_reading_leaves_no_trace_of_one_configuration_in_the_next():
    read("defaults: {detectors: [{confidence: {threshold: 0.1}}]}")
    assert read("") == Config()


# -- what is refused

FORMS = {
    "interval": "expected a duration such as 30s, 5m or 1h30m",
    "bytes": "expected a size such as 512KiB, 8MiB or 1GB",
    "count": "expected a whole number of at least 1",
    "ratio": "expected a number above 0 and at most 1",
    "name": "expected 1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -, and not 'other'",
    "url": "expected an address such as http://host:3000, without user, password and query",
    "entry": "expected the name of a detector, or one name with its options below it",
}
SECTIONS = "access, alerts, anomalies, custom_metrics, defaults, external, history, limits, models, sources, storage"
MODEL_KEYS = (
    "alert_share, clients, detectors, drift, environment, expected_interval, modality, name, objectives, prices, "
    "thresholds, version"
)
CONFIDENCE_OPTIONS = "max_history_size, mode, normalize, threshold"

REFUSED = {
    # unknown keys, at each level
    "modles: []": f"1: modles: unknown key; known: {SECTIONS}; did you mean models?",
    "zzz: 1": f"1: zzz: unknown key; known: {SECTIONS}",
    "a b: 1": f'1: "a b": unknown key; known: {SECTIONS}',
    "defaults: {detector: []}": "1: defaults.detector: unknown key; known: alert_share, clients, detectors, drift; "
    "did you mean detectors?",
    "defaults: {alert_share: {warn: 0.1}}": "1: defaults.alert_share.warn: unknown key; known: critical, warning; "
    "did you mean warning?",
    "defaults: {clients: {profil: x}}": "1: defaults.clients.profil: unknown key; "
    "known: alarm_hold, allow, enabled, profile, templates; did you mean profile?",
    "models:\n- name: m\n  modalty: text": f"3: models[0].modalty: unknown key; known: {MODEL_KEYS}; "
    "did you mean modality?",
    "sources: {directory: {path: x}}": "1: sources.directory: unknown key; known: detect, drop_directory; "
    "did you mean drop_directory?",
    "sources: {drop_directory: {path: x, after: y}}": "1: sources.drop_directory.after: unknown key; known: done, path",
    "storage:\n  paths: x": (
        "2: storage.paths: unknown key; known: journal_bytes, path, snapshot_interval, sync; did you mean path?"
    ),
    "external: {uri: x}": "1: external.uri: unknown key; known: alertmanager_url, grafana_url, url; did you mean url?",
    # wrong types
    "- models": "1: expected a mapping, got a list",
    "just text": "1: expected a mapping, got 'just text'",
    "limits: 5": "1: limits: expected a mapping, got 5",
    "models: {name: m}": "1: models: expected a list, got a mapping",
    "models:\n- fraud": "2: models[0]: expected a mapping, got 'fraud'",
    "models:\n-": "2: models[0]: expected a mapping, got nothing",
    "storage: {sync: 1}": "1: storage.sync: expected true or false, got 1",
    "storage: {path: 5}": "1: storage.path: expected a text that is not empty, got 5; put it in quotes",
    "storage: {path: ''}": "1: storage.path: expected a text that is not empty, got ''",
    "models:\n- name: m\n  version: 1.10": "3: models[0].version: expected a text, got 1.1; put it in quotes",
    "models: [{name: m, modality: video}]": "1: models[0].modality: expected one of text, image, tabular, embedding, "
    "auto, got 'video'",
    "defaults: {clients: {profile: mild}}": "1: defaults.clients.profile: expected one of default, strict, stream, "
    "got 'mild'",
    "defaults: {clients: {allow: me}}": "1: defaults.clients.allow: expected a list, got 'me'",
    "defaults: {clients: {allow: [a, 5]}}": "1: defaults.clients.allow[1]: expected a text that is not empty, got 5; "
    "put it in quotes",
    "sources: {drop_directory: {path: x, done: keep}}": "1: sources.drop_directory.done: expected one of move, delete, "
    "got 'keep'",
    # missing keys
    "sources: {drop_directory: {}}": "1: sources.drop_directory.path: missing, expected a text that is not empty",
    "models:\n- version: x": f"2: models[0].name: missing, {FORMS['name']}",
    # numbers, units and addresses
    "limits: {models: 0}": f"1: limits.models: {FORMS['count']}, got 0",
    "limits: {models: 1.5}": f"1: limits.models: {FORMS['count']}, got 1.5",
    "limits: {models: true}": f"1: limits.models: {FORMS['count']}, got true",
    "limits: {models: '5'}": f"1: limits.models: {FORMS['count']}, got '5'",
    "limits: {body_bytes: 8 MiB}": f"1: limits.body_bytes: {FORMS['bytes']}, got '8 MiB'",
    "limits: {body_bytes: 0B}": f"1: limits.body_bytes: {FORMS['bytes']}, got '0B'",
    "limits: {body_bytes: true}": f"1: limits.body_bytes: {FORMS['bytes']}, got true",
    "limits: {body_bytes: [1]}": f"1: limits.body_bytes: {FORMS['bytes']}, got a list",
    "models: [{name: m, expected_interval: 5 minutes}]": f"1: models[0].expected_interval: {FORMS['interval']}, "
    "got '5 minutes'",
    "models: [{name: m, expected_interval: 0s}]": f"1: models[0].expected_interval: {FORMS['interval']}, got '0s'",
    "models: [{name: m, expected_interval: -5}]": f"1: models[0].expected_interval: {FORMS['interval']}, got -5",
    "defaults: {alert_share: {warning: 5}}": f"1: defaults.alert_share.warning: {FORMS['ratio']}, got 5",
    "defaults: {alert_share: {critical: 0}}": f"1: defaults.alert_share.critical: {FORMS['ratio']}, got 0",
    "external: {url: 'localhost:10833'}": f"1: external.url: {FORMS['url']}, got 'localhost:10833'",
    "external: {url: 'ftp://x'}": f"1: external.url: {FORMS['url']}, got 'ftp://x'",
    "external: {url: 'http://'}": f"1: external.url: {FORMS['url']}, got 'http://'",
    "external: {url: 'http://x:99999'}": f"1: external.url: {FORMS['url']}, got 'http://x:99999'",
    "external: {url: 'http://x y'}": f"1: external.url: {FORMS['url']}, got 'http://x y'",
    "external: {url: 'http://x?y=1'}": f"1: external.url: {FORMS['url']}, got 'http://x?y=1'",
    "external: {grafana_url: 5}": f"1: external.grafana_url: {FORMS['url']}, got 5; put it in quotes",
    # names of models
    "models: [{name: ''}]": f"1: models[0].name: {FORMS['name']}, got ''",
    "models: [{name: a b}]": f"1: models[0].name: {FORMS['name']}, got 'a b'",
    "models: [{name: other}]": f"1: models[0].name: {FORMS['name']}, got 'other'",
    "models: [{name: 5}]": f"1: models[0].name: {FORMS['name']}, got 5; put it in quotes",
    f"models: [{{name: {'x' * 129}}}]": f"1: models[0].name: {FORMS['name']}, got '{'x' * 129}'",
    "models:\n- name: a\n- name: b\n- name: a": "4: models[2].name: 'a' is already the name of models[0]",
    "limits: {models: 1}\nmodels: [{name: a}, {name: b}]": "2: models: 2 models, but limits.models is 1",
    # detectors
    "defaults: {detectors: confidence}": "1: defaults.detectors: expected a list, got 'confidence'",
    "defaults: {detectors: [5]}": f"1: defaults.detectors[0]: {FORMS['entry']}, got 5",
    "defaults: {detectors: [{}]}": f"1: defaults.detectors[0]: {FORMS['entry']}, got a mapping",
    "defaults:\n  detectors:\n  - confidence:\n    threshold: 1": f"3: defaults.detectors[0]: {FORMS['entry']}, "
    "got the keys confidence, threshold",
    "defaults: {detectors: [{confidence: 0.8}]}": "1: defaults.detectors[0].confidence: expected a mapping, got 0.8",
    "defaults:\n  detectors:\n  - confidence\n  - confidence:": "4: defaults.detectors[1]: confidence is already "
    "entry [0] of this list",
    "models: [{name: m, modality: text, detectors: [repetition, text_repetition]}]": "1: models[0].detectors[1]: "
    "text_repetition is already entry [0] of this list",
    "models: [{name: m, modality: text, detectors: [image_similarity]}]": "1: models[0].detectors[0]: "
    "image_similarity judges image queries, but the modality of the model is text",
    "defaults:\n  detectors:\n  - confidence:\n      treshold: 1": "3: defaults.detectors[0]: confidence: "
    f"unknown option treshold; known: {CONFIDENCE_OPTIONS}",
    "defaults: {detectors: [{confidence: {threshold: high}}]}": "1: defaults.detectors[0]: confidence: "
    "option threshold: expected `float`, got `str`",
    "models: [{name: m, detectors: [{confidence: {max_history_size: 0}}]}]": "1: models[0].detectors[0]: confidence: "
    "option max_history_size: expected `int` >= 1",
    # alert shares, wherever their halves come from
    "defaults: {alert_share: {warning: 0.3}}": "1: defaults.alert_share: warning 0.3 is above critical 0.2",
    "models:\n- name: m\n  alert_share: {critical: 0.01}": "3: models[0].alert_share: warning 0.05 is above "
    "critical 0.01",
    "defaults: {detectors: [{confidence: {alert_share: {warning: 0.5}}}]}": "1: defaults.detectors[0].confidence."
    "alert_share: warning 0.5 is above critical 0.2",
    "models:\n- name: m\n  alert_share: {critical: 0.5}\n  detectors:\n  - confidence:\n"
    "      alert_share: {warning: 0.6}": "6: models[0].detectors[0].confidence.alert_share: warning 0.6 is above "
    "critical 0.5",
    "defaults: {detectors: [{confidence: {alert_share: 5}}]}": "1: defaults.detectors[0].confidence.alert_share: "
    "expected a mapping, got 5",
    "defaults: {detectors: [{confidence: {alert_share: {warning: x}}}]}": "1: defaults.detectors[0].confidence."
    f"alert_share.warning: {FORMS['ratio']}, got 'x'",
    # YAML
    "limits: {models: 1}\nlimits: {models: 2}": "2: limits: duplicate key, first on line 1",
    "models:\n- name: a\n  name: b": "3: models[0].name: duplicate key, first on line 2",
    "limits:\n\tmodels: 5": "2: not YAML: while scanning for the next token, found character '\\t' that cannot start "
    "any token; indent with blanks, not with tabs",
    "models: [": "1: not YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
    "storage: {path: !!python/name:os.system ''}": "1: storage.path: the tag "
    "'tag:yaml.org,2002:python/name:os.system' is not supported",
    # the environment
    "storage:\n  path: ${GONE}/state": "2: storage.path: the environment variable GONE is not set",
    "models:\n- name: ${GONE}": "2: models[0].name: the environment variable GONE is not set",
    "defaults:\n  detectors:\n  - confidence:\n      threshold: ${GONE}": "4: defaults.detectors[0].confidence."
    "threshold: the environment variable GONE is not set",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=range(len(REFUSED)))
def test_each_mistake_has_its_text(text, message):
    assert problems(text) == [f"v.yml:{message}"]


def test_a_detector_that_does_not_exist_names_those_that_do():
    known = ", ".join(sorted(list_detectors()))
    assert problems("defaults: {detectors: [confidense]}") == [
        f"v.yml:1: defaults.detectors[0]: confidense: unknown detector; known: {known}; did you mean confidence?"
    ]


def test_all_mistakes_are_found_at_once_and_sorted_by_line():
    found = problems(
        "limits:\n  models: many\nmodels:\n- name: a\n  modality: smell\n- name: a\n  expected_interval: soon\n"
        "  detectors:\n  - confidence:\n      mode: guess\n- version: x\nlimit: 5\n"
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["v.yml:2", "limits.models"],
        ["v.yml:5", "models[0].modality"],
        ["v.yml:6", "models[1].name"],
        ["v.yml:7", "models[1].expected_interval"],
        ["v.yml:9", "models[1].detectors[0]"],
        ["v.yml:11", "models[2].name"],
        ["v.yml:12", "limit"],
    ]


def test_a_default_detector_must_work_for_every_model_that_takes_it():
    found = problems("defaults:\n  detectors: [text_similarity]\nmodels: [{name: m, modality: image}]")
    assert found == [
        "v.yml:2: defaults.detectors[0]: text_similarity judges text queries, but the modality of the model is image"
    ]
    read("defaults:\n  detectors: [text_similarity]\nmodels: [{name: m, modality: image, detectors: [similarity]}]")


def test_the_share_of_a_default_detector_must_fit_every_model_that_takes_it():
    found = problems(
        "defaults:\n  detectors:\n  - confidence: {alert_share: {warning: 0.15}}\n"
        "models:\n- name: m\n  alert_share: {warning: 0.01, critical: 0.1}\n"
    )
    assert found == [
        "v.yml:5: models[0].detectors[0].confidence.alert_share: warning 0.15 is above critical 0.1",
    ]


def test_what_the_environment_holds_is_never_shown():
    found = problems(
        "external:\n  url: http://me:${PASSWORD}@x\nstorage:\n  sync: ${PASSWORD}\n"
        "defaults:\n  detectors:\n  - confidence:\n      mode: ${PASSWORD}\n  - x${PASSWORD}\n"
        "models:\n- name: a\n- name: ${PASSWORD}!\n"
    )
    assert len(found) == 5
    assert not any("hunter2" in line for line in found)
    assert found[0] == f"v.yml:2: external.url: {FORMS['url']}, got 'http://me:${{PASSWORD}}@x'"


@pytest.fixture
def plug_in():
    class Fragile(Detector):
        def __init__(self, config=None):
            raise KeyError("no weights")

    register_detector("fragile", Fragile, modality="any", base="custom")
    yield
    del registry.DETECTORS["fragile"]


@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_that_cannot_be_built_is_a_problem_of_its_entry():
    assert problems("defaults: {detectors: [fragile]}") == [
        "v.yml:1: defaults.detectors[0]: fragile: KeyError: 'no weights'"
    ]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "gone.yml")
    assert str(error.value) == f"{tmp_path}/gone.yml: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_bytes_that_are_no_text_have_their_line(tmp_path):
    path = tmp_path / "v.yml"
    path.write_bytes(b"models:\n- name: \xff\n")
    with pytest.raises(ConfigError) as error:
        load(path)
    assert str(error.value) == f"{path}:2: not YAML: not UTF-8"


def test_a_file_without_end_is_refused():
    with pytest.raises(ConfigError, match="larger than 1048576 characters"):
        load("/dev/zero")


# -- whatever is thrown at it

KEYS = st.sampled_from(
    ["defaults", "detectors", "models", "name", "modality", "alert_share", "warning", "clients", "allow", "sources",
     "drop_directory", "path", "storage", "limits", "body_bytes", "external", "url", "expected_interval", "confidence"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["5m", "8MiB", "text", "confidence", "${NAME}", "${GONE}", "http://[", "http://x:y", "$"]),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=6)
)


def written(tree):
    """The tree as flow YAML; texts in single quotes."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{written(key)}: {written(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(written, tree)) + "]"
    if isinstance(tree, str):
        return "'" + tree.replace("'", "''") + "'"
    return (
        {None: "null", True: "true", False: "false"}.get(tree, repr(tree)) if not isinstance(tree, float) else f"{tree}"
    )


def outcome(reading, *arguments):
    """The configuration, or the problems for which it was refused."""
    try:
        return reading(*arguments)
    except ConfigError as error:
        return error.problems


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=6).map(written) | st.text())
def test_garbage_never_raises_anything_but_a_config_error(text):
    found = outcome(parse, text, "v.yml", ENVIRONMENT)
    if isinstance(found, Config):
        assert found.model("anything").name == "anything"
    else:
        assert found
        assert all("\n" not in str(problem) and problem.line >= 1 for problem in found)


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_garbage_in_a_file_never_raises_anything_but_a_config_error(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v.yml")
        path.write_bytes(content)
        assert outcome(load, path, ENVIRONMENT)
