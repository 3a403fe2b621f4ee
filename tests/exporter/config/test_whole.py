"""What holds for a model: its own keys over the defaults, and the names of its detectors."""

import pytest

from detectors import get_detector
from exporter.config import (
    AlertShare,
    Clients,
    Config,
    Defaults,
    DetectorConfig,
    Drift,
    DriftReference,
    DriftWindow,
    Model,
    OwnAlertShare,
    OwnClients,
    OwnDrift,
    OwnDriftWindow,
    detector_name,
)
from exporter.config_file import parse


def detectors(config, name):
    return [detector.name for detector in config.model(name).detectors]


def shares(config, name):
    found = (detector.alert_share for detector in config.model(name).detectors)
    return [(share.warning, share.critical) for share in found]


@pytest.mark.parametrize("modality", ["text", "image", "tabular"])
def test_repetition_and_similarity_are_those_of_the_modality(modality):
    config = Config(models=(Model(name="m", modality=modality),))
    assert detectors(config, "m") == ["confidence", f"{modality}_repetition", f"{modality}_similarity"]


@pytest.mark.parametrize("modality", ["auto", "embedding"])
def test_without_a_modality_the_generic_detectors_are_taken(modality):
    config = Config(models=(Model(name="m", modality=modality),))
    assert detectors(config, "m") == ["confidence", "repetition", "similarity"]


def test_a_detector_that_has_one_kind_keeps_its_name_in_every_modality():
    assert detector_name("confidence", "text") == "confidence"
    assert detector_name("image_similarity", "image") == "image_similarity"


def test_a_model_that_is_not_named_has_the_defaults():
    model = Config().model("anything")
    assert (model.name, model.version, model.modality, model.expected_interval) == ("anything", "", "auto", None)
    assert [detector.name for detector in model.detectors] == ["confidence", "repetition", "similarity"]
    assert model.clients == Clients()


@pytest.mark.parametrize("modality", ["text", "image", "tabular", "embedding", "auto"])
def test_every_default_detector_can_be_built(modality):
    resolved = Config(models=(Model(name="m", modality=modality),)).model("m").detectors
    built = [get_detector(detector.name, detector.options) for detector in resolved]
    assert [detector.name for detector in built] == [detector.name for detector in resolved]


def test_the_list_of_a_model_replaces_the_default_list():
    listed = (DetectorConfig(name="similarity", options={"threshold": 0.7}),)
    config = Config(models=(Model(name="m", detectors=listed), Model(name="none", detectors=())))
    assert [detector.options for detector in config.model("m").detectors] == [{"threshold": 0.7}]
    assert config.model("none").detectors == ()


def test_the_alert_share_of_a_detector_goes_before_that_of_the_model_and_that_before_the_defaults():
    listed = (
        DetectorConfig(name="confidence", alert_share=OwnAlertShare(warning=0.3, critical=0.4)),
        DetectorConfig(name="repetition"),
    )
    config = Config(
        defaults=Defaults(alert_share=AlertShare(warning=0.01, critical=0.02)),
        models=(
            Model(name="own", detectors=listed, alert_share=OwnAlertShare(warning=0.1, critical=0.15)),
            Model(name="plain", detectors=listed),
        ),
    )
    assert shares(config, "own") == [(0.3, 0.4), (0.1, 0.15)]
    assert shares(config, "plain") == [(0.3, 0.4), (0.01, 0.02)]
    assert shares(config, "another") == [(0.01, 0.02)] * 3


def test_half_an_alert_share_takes_the_other_half_from_above():
    listed = (DetectorConfig(name="confidence", alert_share=OwnAlertShare(warning=0.08)),)
    config = Config(models=(Model(name="m", detectors=listed, alert_share=OwnAlertShare(critical=0.5)),))
    assert shares(config, "m") == [(0.08, 0.5)]


def test_a_model_that_allows_a_client_keeps_the_default_profile():
    config = Config(
        defaults=Defaults(clients=Clients(profile="strict", allow=("probe",))),
        models=(
            Model(name="m", clients=OwnClients(allow=("me",))),
            Model(name="open", clients=OwnClients(profile="stream", allow=())),
        ),
    )
    assert config.model("m").clients == Clients(profile="strict", allow=("me",))
    assert config.model("open").clients == Clients(profile="stream")
    assert config.model("else").clients == Clients(profile="strict", allow=("probe",))


def test_each_key_of_drift_is_the_models_own_or_that_of_the_defaults():
    base = Drift(reference=DriftReference(queries=5, version="a"), window=DriftWindow(queries=7), season="day")
    own = OwnDrift(window=OwnDriftWindow(interval=3.0))
    config = Config(defaults=Defaults(drift=base), models=(Model(name="m", drift=own),))
    expected = Drift(reference=base.reference, window=DriftWindow(queries=7, interval=3.0), season="day")
    assert config.model("m").drift == expected
    assert config.model("other").drift == base


@pytest.mark.parametrize("on", [True, False])
def test_drift_is_switched_by_one_word_anywhere(on):
    said, other = (str(value).lower() for value in (on, not on))
    config = parse(
        f"defaults: {{drift: {other}}}\nmodels: [{{name: m, drift: {said}}}, {{name: n, drift: {{season: day}}}}]"
    )
    assert [config.model(name).drift.enabled for name in ("m", "n", "o")] == [on, not on, not on]
    assert config.model("n").drift.season == "day"
