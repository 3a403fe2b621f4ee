"""Detectors of suspicious queries to machine-learning models: a library of its own."""

from detectors.confidence import ConfidenceDetector
from detectors.contract import Detector, InvalidQuery, MissingField
from detectors.query import Query
from detectors.registry import get_detector, list_detectors, load_from_config, register_detector
from detectors.result import DetectionResult

__all__ = [
    "ConfidenceDetector",
    "DetectionResult",
    "Detector",
    "InvalidQuery",
    "MissingField",
    "Query",
    "get_detector",
    "list_detectors",
    "load_from_config",
    "register_detector",
]
