from importlib.metadata import EntryPoint

import pytest

import detectors
from detectors import (
    ConfidenceDetector,
    Detector,
    Query,
    TextRepetitionDetector,
    get_detector,
    list_detectors,
    load_from_config,
    register_detector,
    registry,
)


class Quiet(Detector):
    modality = "text"
    base = "custom"

    def _compute_score(self, query):
        return 0.0


def test_a_detector_is_made_by_name_with_its_options():
    detector = get_detector("text_repetition", config={"threshold": 2})
    assert type(detector) is TextRepetitionDetector
    assert detector.threshold == 2


def test_the_list_gives_class_modality_and_base():
    assert list_detectors()["confidence"] == {
        "class": ConfidenceDetector,
        "modality": "any",
        "base": "confidence_detector",
    }


def test_the_list_is_a_copy():
    list_detectors()["confidence"]["class"] = None
    assert list_detectors()["confidence"]["class"] is ConfidenceDetector


def test_a_modality_selects_the_detectors_for_it():
    assert set(list_detectors(modality="text")) == {"text_repetition", "text_similarity"}
    assert set(list_detectors(modality="any")) == {"confidence", "exact_repeat", "repetition", "similarity"}
    assert list_detectors(modality="sound") == {}


def test_a_base_selects_its_family():
    assert set(list_detectors(base="repetition_detector")) == {
        "repetition",
        "text_repetition",
        "tabular_repetition",
        "image_repetition",
    }
    assert set(list_detectors(modality="image", base="similarity_detector")) == {"image_similarity"}


def test_names_in_the_list_are_those_of_the_classes():
    for name, row in list_detectors().items():
        assert row["class"].name == name


def test_loading_from_a_configuration_leaves_it_as_it_was():
    config = {"name": "text_repetition", "threshold": 3}
    detector = load_from_config(config)
    assert (type(detector), detector.threshold) == (TextRepetitionDetector, 3)
    assert config == {"name": "text_repetition", "threshold": 3}


def test_a_configuration_without_a_name_says_so():
    with pytest.raises(
        ValueError, match="expected a key 'name'; known detectors: confidence, exact_repeat, image_repetition"
    ):
        load_from_config({"threshold": 3})


def test_an_unknown_name_is_refused_and_the_known_ones_named():
    with pytest.raises(
        ValueError, match="unknown detector 'entropy'; known: confidence, exact_repeat, image_repetition"
    ):
        get_detector("entropy")


def test_arguments_beyond_the_options_reach_the_constructor():
    detector = get_detector("similarity", embed=lambda inputs: [[1.0, 0.0] for _ in inputs])
    assert detector.process_batch([Query("a"), Query("b")])[1].metadata["score"] == 1.0


@pytest.mark.parametrize(
    ("name", "argument", "known"), [("confidence", "threshold", "config"), ("similarity", "model", "config, embed")]
)
def test_an_unknown_argument_is_refused_and_the_known_ones_named(name, argument, known):
    with pytest.raises(ValueError, match=rf"^{name}: unknown argument {argument}; known: {known}$"):
        get_detector(name, **{argument: 1})


class Plain:
    """Keeps to the bare contract, and has no constructor."""

    threshold = 0.5

    def score(self, batch):
        return [1.0] * len(batch)

    def get_state(self):
        return {}

    def reset_state(self):
        pass


def test_a_class_without_a_constructor_will_do(own_names):
    register_detector("plain", Plain, modality="text", base="custom")
    for config in (None, {}):
        assert get_detector("plain", config).process(Query("a")).is_suspicious
    with pytest.raises(ValueError, match=r"^plain: unknown option level; known: none$"):
        get_detector("plain", {"level": 1})


def test_a_constructor_with_parameters_of_its_own_gets_them_and_no_more(own_names):
    class Set(Plain):
        def __init__(self, threshold=0.5, **more):
            self.threshold, self.more = threshold, more

    class Named(Plain):
        def __init__(self, settings=None):
            self.settings = settings

    class Keyed(Plain):
        def __init__(self, threshold=0.5, config=None):
            self.threshold, self.config = threshold, config

    for name, cls in {"set": Set, "named": Named, "keyed": Keyed}.items():
        register_detector(name, cls, modality="text", base="custom")
    assert get_detector("set", {"a": 1}, threshold=0.7).more == {"config": {"a": 1}}
    assert (get_detector("named", {"a": 1}).settings, get_detector("named").settings) == ({"a": 1}, None)
    assert get_detector("keyed", {"a": 1}).config == {"a": 1}
    assert get_detector("keyed", threshold=0.7).threshold == 0.7


def test_an_own_detector_is_found_by_its_name(own_names):
    register_detector("quiet", Quiet, modality="text", base="custom")
    assert get_detector("quiet").process(Query("a")).metadata["detector"] == "quiet"
    assert "quiet" in list_detectors(base="custom")


def test_a_taken_name_is_refused(own_names):
    with pytest.raises(ValueError, match="detector 'confidence' is already registered"):
        register_detector("confidence", Quiet, modality="text", base="custom")


def test_an_unknown_modality_is_refused(own_names):
    with pytest.raises(ValueError, match="unknown modality 'sound'; known: image, text, tabular, any"):
        register_detector("quiet", Quiet, modality="sound", base="custom")


def test_a_class_that_cannot_score_is_refused(own_names):
    with pytest.raises(ValueError, match=r"int has no score\(batch\)"):
        register_detector("quiet", int, modality="text", base="custom")


def test_plug_ins_of_installed_packages_are_found(monkeypatch):
    here = [EntryPoint("quiet", f"{__name__}:Quiet", "vedette.detectors")]
    monkeypatch.setattr(registry, "_loaded", None)
    monkeypatch.setattr(registry, "entry_points", lambda group: here if group == "vedette.detectors" else [])
    assert list_detectors()["quiet"] == {"class": Quiet, "modality": "text", "base": "custom"}


def test_a_plug_in_that_is_broken_leaves_the_others_usable(monkeypatch):
    here = [
        EntryPoint("broken", "no_such_package:Broken", "vedette.detectors"),
        EntryPoint("quiet", f"{__name__}:Quiet", "vedette.detectors"),
    ]
    monkeypatch.setattr(registry, "_loaded", None)
    monkeypatch.setattr(registry, "entry_points", lambda group: here)
    with pytest.warns(RuntimeWarning, match="detector 'broken' cannot be loaded: .*no_such_package"):
        found = list_detectors()
    assert {"quiet", "confidence"} <= set(found)
    assert "broken" not in found


def test_all_public_names_exist():
    for name in detectors.__all__:
        assert hasattr(detectors, name)
