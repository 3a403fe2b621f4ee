"""The configuration file: read, checked as a whole, and turned into a Config that is known to work.

Whatever is wrong is found at once: ConfigError holds every problem with its line, its key and what was expected.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from detectors import get_detector, list_detectors
from exporter.access.check import problems as access_problems
from exporter.config import AlertShare, Config, DetectorConfig, detector_name, overlaid, yaml_lines
from exporter.config.anomalies import expression_problems
from exporter.config.anomalies import problems as anomaly_problems
from exporter.config.records import unknown
from exporter.config.yaml_lines import Document, Path, Problem, Report

#: told of what is wrong with one query alone
Tolerate = Callable[[Problem], object]


class ConfigError(ValueError):
    """A configuration that cannot be used. `problems` holds all that is wrong, by line; one line of text for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


def load(
    path: str | os.PathLike[str] | None,
    environment: Mapping[str, str] = os.environ,
    tolerate: Tolerate | None = None,
) -> Config:
    """The configuration in a file; the defaults without one. Raises ConfigError.

    tolerate: told of expressions that cannot be learned, where nothing else is wrong: the other queries go on without
    them. Without it, they are errors like all others.
    """
    if path is None:
        return Config()
    return parse(text_of(path), os.fspath(path), environment, tolerate)


def text_of(path: str | os.PathLike[str]) -> str:
    """The text of a configuration file. Raises ConfigError."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            content = file.read(4 * yaml_lines.MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(name, 0, "", f"cannot be read: {reason}")]) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(name, line, "", "not YAML: not UTF-8")]) from None


def parse(
    text: str,
    name: str = "config",
    environment: Mapping[str, str] = os.environ,
    tolerate: Tolerate | None = None,
) -> Config:
    """The configuration in a text; `name` is what problems call it; `tolerate` as of `load`. Raises ConfigError."""
    document = yaml_lines.read(text, name, environment)
    config = Config.read({} if document.data is None else document.data, (), document.report)
    check(config, document.report)
    for path, problem in (*access_problems(config), *anomaly_problems(config.anomalies)):
        document.report(path, problem)
    is_good = not document.problems
    for path, problem in expression_problems(config.anomalies):
        document.report(path, problem)
    if is_good and tolerate is not None:
        for one in document.problems:
            tolerate(one)
    else:
        raise_problems(document)
    return config


def check(config: Config, report: Report) -> None:
    """Report what no key alone can have wrong: names, detectors and shares that do not go together."""
    _check_models(config, report)
    _check_detectors(config, report)
    _check_shares(config, report)
    _check_custom(config, report)


def raise_problems(document: Document) -> None:
    """Raises ConfigError with all that was reported, if anything was."""
    if document.problems:
        raise ConfigError(sorted(document.problems, key=lambda problem: problem.line))


def _check_models(config: Config, report: Report) -> None:
    if len(config.models) > config.limits.models:
        report(("models",), f"{len(config.models)} models, but limits.models is {config.limits.models}")
    first: dict[str, int] = {}
    for index, model in enumerate(config.models):
        if model.name is not None and first.setdefault(model.name, index) != index:
            report(("models", index, "name"), f"{model.name!r} is already the name of models[{first[model.name]}]")


def _check_custom(config: Config, report: Report) -> None:
    names = [metric.name for metric in config.custom_metrics]
    for index, metric in enumerate(config.custom_metrics):
        if metric.name is not None and metric.name in names[:index]:
            report(("custom_metrics", index, "name"), f"{metric.name!r} is declared twice")
        bounds = [bound for bound in metric.buckets if isinstance(bound, (int, float))]
        if not bounds or bounds != sorted(set(bounds)):
            report(("custom_metrics", index, "buckets"), "expected numbers that grow, at least one")


def _detector_lists(config: Config) -> Iterator[tuple[Path, Sequence[DetectorConfig], str]]:
    """Where each list stands, the list, and the modality that it has to work for."""
    shared = dict.fromkeys(["auto", *(model.modality for model in config.models if model.detectors is None)])
    for modality in shared:
        yield ("defaults", "detectors"), config.defaults.detectors, modality
    for index, model in enumerate(config.models):
        if model.detectors is not None:
            yield ("models", index, "detectors"), model.detectors, model.modality


def _check_detectors(config: Config, report: Report) -> None:
    for path, entries, modality in _detector_lists(config):
        first: dict[str, int] = {}
        for index, entry in enumerate(entries):
            if entry.name is None:
                continue
            name = detector_name(entry.name, modality)
            if first.setdefault(name, index) != index:
                report((*path, index), f"{name} is already entry [{first[name]}] of this list")
            elif problem := _detector_problem(name, entry.options, modality):
                report((*path, index), problem)


def _detector_problem(name: str, options: Mapping[str, Any], modality: str) -> str | None:
    """Why there cannot be such a detector in a model of this modality. Found out by building it."""
    known = list_detectors()
    if name not in known:
        return f"{name}: {unknown('detector', name, known)}"
    judges = known[name]["modality"]
    if judges not in ("any", modality) and modality not in ("auto", "embedding"):
        return f"{name} judges {judges} queries, but the modality of the model is {modality}"
    try:
        get_detector(name, options)
    except ValueError as error:
        return str(error)
    except Exception as error:  # a plug-in's constructor: whatever it raises, the file is what people can change
        return f"{name}: {type(error).__name__}: {error}"
    return None


def _check_shares(config: Config, report: Report) -> None:
    """That no alert share warns later than it is critical, wherever its two halves come from."""
    _check_share(config.defaults.alert_share, ("defaults", "alert_share"), report)
    for entry_path, share in _entry_shares(config.defaults.detectors, config.defaults.alert_share):
        _check_share(share, ("defaults", "detectors", *entry_path), report)
    for index, model in enumerate(config.models):
        base = overlaid(config.defaults.alert_share, model.alert_share)
        _check_share(base, ("models", index, "alert_share"), report)
        entries = config.defaults.detectors if model.detectors is None else model.detectors
        for entry_path, share in _entry_shares(entries, base):
            _check_share(share, ("models", index, "detectors", *entry_path), report)


def _entry_shares(entries: Sequence[DetectorConfig], base: AlertShare) -> Iterator[tuple[Path, AlertShare]]:
    for index, entry in enumerate(entries):
        if entry.alert_share is not None:
            yield (index, entry.name, "alert_share"), overlaid(base, entry.alert_share)


def _check_share(share: AlertShare, path: Path, report: Report) -> None:
    if share.warning > share.critical:
        report(path, f"warning {share.warning} is above critical {share.critical}")
