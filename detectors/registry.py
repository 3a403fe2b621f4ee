"""The detectors by name. Adding one is a file and a row here, or an entry point of the group `vedette.detectors`."""

import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points
from inspect import signature
from typing import Any

from detectors.confidence import ConfidenceDetector
from detectors.contract import Adapted, Detector
from detectors.exact_repeat import ExactRepeatDetector
from detectors.repetition import (
    ImageRepetitionDetector,
    RepetitionDetector,
    TabularRepetitionDetector,
    TextRepetitionDetector,
)
from detectors.similarity import (
    ImageSimilarityDetector,
    SimilarityDetector,
    TabularSimilarityDetector,
    TextSimilarityDetector,
)

MODALITIES = ("image", "text", "tabular", "any")

#: name -> {"class", "modality", "base"}
DETECTORS: dict[str, dict[str, Any]] = {
    "confidence": {"class": ConfidenceDetector, "modality": "any", "base": "confidence_detector"},
    "repetition": {"class": RepetitionDetector, "modality": "any", "base": "repetition_detector"},
    "text_repetition": {"class": TextRepetitionDetector, "modality": "text", "base": "repetition_detector"},
    "tabular_repetition": {"class": TabularRepetitionDetector, "modality": "tabular", "base": "repetition_detector"},
    "image_repetition": {"class": ImageRepetitionDetector, "modality": "image", "base": "repetition_detector"},
    "exact_repeat": {"class": ExactRepeatDetector, "modality": "any", "base": "evidence_detector"},
    "similarity": {"class": SimilarityDetector, "modality": "any", "base": "similarity_detector"},
    "text_similarity": {"class": TextSimilarityDetector, "modality": "text", "base": "similarity_detector"},
    "tabular_similarity": {"class": TabularSimilarityDetector, "modality": "tabular", "base": "similarity_detector"},
    "image_similarity": {"class": ImageSimilarityDetector, "modality": "image", "base": "similarity_detector"},
}


def list_detectors(modality: str | None = None, base: str | None = None) -> dict[str, dict[str, Any]]:
    """Detectors by name, each {"class", "modality", "base"}; of this modality (`any` is one) and base where given."""
    return {
        name: dict(row)
        for name, row in _known().items()
        if modality in (None, row["modality"]) and base in (None, row["base"])
    }


def get_detector(name: str, config: Mapping[str, Any] | None = None, **kwargs: Any) -> Detector:
    """A new detector. `config` holds its options; other arguments go to its constructor.

    What is registered without being a `Detector` comes wrapped in one, so that every detector can do the same.
    Raises ValueError for an unknown name, option or argument, and names the known ones.
    """
    known = _known()
    if name not in known:
        raise ValueError(f"unknown detector {name!r}; known: {', '.join(sorted(known))}")
    detector = _made(name, known[name]["class"], config, kwargs)
    detector = detector if isinstance(detector, Detector) else Adapted(detector)
    detector.name = name
    return detector


def _made(name: str, cls: Any, config: Mapping[str, Any] | None, arguments: dict[str, Any]) -> Any:
    """A detector of that class; the constructor gets the configuration as `config`, or else as its first parameter.

    One whose first parameter is something else, or that has none, can do without a configuration.
    """
    parameters = signature(cls).parameters
    is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [] if is_open else sorted(set(arguments) - set(parameters))
    if unknown or (config and not parameters):
        wrong = f"argument {', '.join(unknown)}" if unknown else f"option {', '.join(sorted(config or ()))}"
        raise ValueError(f"{name}: unknown {wrong}; known: {', '.join(parameters) or 'none'}")
    if is_open or "config" in parameters:
        return cls(config=config, **arguments)
    is_needed = any(parameter.default is parameter.empty for parameter in list(parameters.values())[:1])
    return cls(config, **arguments) if config or is_needed else cls(**arguments)


def load_from_config(config: Mapping[str, Any]) -> Detector:
    """A new detector from {"name": ..., option: ...}; the argument is left as it was."""
    if "name" not in config:
        raise ValueError(f"expected a key 'name'; known detectors: {', '.join(sorted(_known()))}")
    return get_detector(config["name"], {key: value for key, value in config.items() if key != "name"})


def register_detector(name: str, cls: type, *, modality: str, base: str) -> None:
    """Make a detector of one's own known by name. Raises ValueError for a taken name or an unknown modality."""
    if name in DETECTORS:
        raise ValueError(f"detector {name!r} is already registered")
    if modality not in MODALITIES:
        raise ValueError(f"unknown modality {modality!r}; known: {', '.join(MODALITIES)}")
    if not callable(getattr(cls, "score", None)):
        raise ValueError(f"{cls.__name__} has no score(batch); subclass detectors.Detector or define it")
    DETECTORS[name] = {"class": cls, "modality": modality, "base": base}


_loaded: dict[str, dict[str, Any]] | None = None


def _known() -> dict[str, dict[str, Any]]:
    """The literal map and the detectors of installed plug-ins (read once)."""
    global _loaded
    if _loaded is None:
        _loaded = {}
        for entry in entry_points(group="vedette.detectors"):
            try:
                cls = entry.load()
            except Exception as error:  # a broken package is no reason to be without all other detectors
                warnings.warn(f"detector {entry.name!r} cannot be loaded: {error!r}", RuntimeWarning, stacklevel=2)
                continue
            _loaded[entry.name] = {
                "class": cls,
                "modality": getattr(cls, "modality", "any"),
                "base": getattr(cls, "base", "custom"),
            }
    return {**_loaded, **DETECTORS}
