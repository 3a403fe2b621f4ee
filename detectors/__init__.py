"""Detectors of suspicious queries to machine-learning models: a library of its own."""

from detectors.confidence import ConfidenceDetector
from detectors.contract import Detector, InvalidQuery, MissingField
from detectors.query import Query
from detectors.registry import get_detector, list_detectors, load_from_config, register_detector
from detectors.repetition import (
    ImageRepetitionDetector,
    RepetitionDetector,
    TabularRepetitionDetector,
    TextRepetitionDetector,
)
from detectors.result import DetectionResult
from detectors.similarity import (
    ImageSimilarityDetector,
    SimilarityDetector,
    TabularSimilarityDetector,
    TextSimilarityDetector,
)

__all__ = [
    "ConfidenceDetector",
    "DetectionResult",
    "Detector",
    "ImageRepetitionDetector",
    "ImageSimilarityDetector",
    "InvalidQuery",
    "MissingField",
    "Query",
    "RepetitionDetector",
    "SimilarityDetector",
    "TabularRepetitionDetector",
    "TabularSimilarityDetector",
    "TextRepetitionDetector",
    "TextSimilarityDetector",
    "get_detector",
    "list_detectors",
    "load_from_config",
    "register_detector",
]
