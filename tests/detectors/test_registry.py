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


def test_a_modality_includes_what_fits_any():
    text = set(list_detectors(modality="text"))
    assert text == {"confidence", "repetition", "similarity", "text_repetition", "text_similarity"}
    assert list_detectors(modality="sound") == {}


def test_a_base_selects_its_family():
    assert set(list_detectors(base="repetition_detector")) == {
        "repetition",
        "text_repetition",
        "tabular_repetition",
        "image_repetition",
    }
    assert set(list_detectors(modality="image", base="similarity_detector")) == {"similarity", "image_similarity"}


def test_names_in_the_list_are_those_of_the_classes():
    for name, row in list_detectors().items():
        assert row["class"].name == name


def test_loading_from_a_configuration_leaves_it_as_it_was():
    config = {"name": "text_repetition", "threshold": 3}
    detector = load_from_config(config)
    assert (type(detector), detector.threshold) == (TextRepetitionDetector, 3)
    assert config == {"name": "text_repetition", "threshold": 3}


def test_a_configuration_without_a_name_says_so():
    with pytest.raises(ValueError, match="expected a key 'name'; known detectors: confidence, image_repetition"):
        load_from_config({"threshold": 3})


def test_an_unknown_name_is_refused_and_the_known_ones_named():
    with pytest.raises(ValueError, match="unknown detector 'entropy'; known: confidence, image_repetition"):
        get_detector("entropy")


def test_arguments_beyond_the_options_reach_the_constructor():
    detector = get_detector("similarity", embed=lambda inputs: [[1.0, 0.0] for _ in inputs])
    assert detector.process_batch([Query("a"), Query("b")])[1].metadata["score"] == 1.0


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


def test_all_public_names_exist():
    for name in detectors.__all__:
        assert hasattr(detectors, name)
