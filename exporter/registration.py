"""Models that are registered over HTTP: `POST /api/v1/models`. They are watched as if the configuration named them.

They stand in a file of their own, written whole or not at all, and outlast a restart. Where the configuration names a
model, it alone says how it is watched.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from exporter.config import MODEL_NAME, RESERVED_MODEL, Config, Environment, Modality, Model
from exporter.config import Objectives as ConfiguredObjectives
from exporter.config import Prices as ConfiguredPrices
from exporter.config import Thresholds as ConfiguredThresholds
from exporter.storage.files import Files, close_quietly, make_folder, replace

FILE = "registered.json"
VERSION = 1
MODALITIES: dict[str, Modality] = {"llm": "text", "cv": "image", "tabular": "tabular"}
MODEL_TYPES = {modality: model_type for model_type, modality in MODALITIES.items()}
#: what a model of the configuration or a registered one is in the list of all that is learned and watched
KIND = "model"

Ratio = Annotated[float, msgspec.Meta(gt=0, le=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Price = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]


class Wrong(ValueError):
    """A registration that cannot be taken; the text names the field. Nothing has changed."""


class NotReady(Exception):
    """The service is starting or stopping; come again."""


class Thresholds(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """As on the wire: latency in milliseconds."""

    latency: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1000.0
    error_rate: Ratio = 0.05
    gpu_memory: Ratio = 0.8
    cpu_usage: Ratio = 0.8
    memory_usage: Ratio = 0.8
    cost_per_hour: Price | None = None


class Objectives(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Shares of good inferences."""

    availability: Share | None = None
    latency: Share | None = None


class Prices(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Dollars."""

    input_token: Price = 0.0
    output_token: Price = 0.0
    request: Price = 0.0
    gpu_second: Price = 0.0


class RegisteredModel(Model, frozen=True, kw_only=True):
    """A model that the file does not name: it takes no queries from those that it does."""


class Registration(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A model as it is registered. id: its label `model`, and the `model` of its queries."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    model_type: Literal["llm", "cv", "tabular"]
    version: Text = ""
    environment: Environment | None = None
    thresholds: Thresholds = Thresholds()
    objectives: Objectives = Objectives()
    prices: Prices = Prices()

    def model(self) -> RegisteredModel:
        """The same as the configuration would have it."""
        limits = msgspec.structs.asdict(self.thresholds) | {"latency": self.thresholds.latency / 1000}
        return RegisteredModel(
            name=self.id,
            version=self.version,
            modality=MODALITIES[self.model_type],
            environment=self.environment,
            thresholds=ConfiguredThresholds(**limits),
            objectives=ConfiguredObjectives(**msgspec.structs.asdict(self.objectives)),
            prices=ConfiguredPrices(**msgspec.structs.asdict(self.prices)),
        )


class _File(msgspec.Struct):
    version: int
    models: list[Registration]


def decode(body: bytes) -> Registration:
    """The registration in a body. Raises Wrong, naming the field."""
    try:
        found = msgspec.json.decode(body, type=Registration)
    except msgspec.ValidationError as error:
        raise Wrong(_named(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Wrong("the body is no JSON object") from None
    if found.id == RESERVED_MODEL or not MODEL_NAME.fullmatch(found.id):
        raise Wrong("id: expected 1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -, and not 'other'")
    return found


def _named(text: str) -> str:
    what, _, path = text.partition(" - at ")
    path = path.strip("`").removeprefix("$").removeprefix(".")
    if "missing required field" in what:
        return f"{what.split('`')[1]}: missing"
    if "Invalid enum value" in what:
        words = {"model_type": MODALITIES, "environment": ("dev", "staging", "prod")}.get(path, ())
        return f"{path}: expected one of {', '.join(words)}"
    if "unknown field" in what:
        return f"{path}{'.' if path else ''}{what.split('`')[1]}: unknown field"
    return f"{path or 'the body'}: {what[:1].lower()}{what[1:]}"


class Registrations:
    """The registered models, in a folder. Raises OSError where its file cannot be read or is damaged."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder, self._path, self._files = folder, folder / FILE, files or Files()
        self.by_id: dict[str, Registration] = {}
        if self._path.exists():
            self.by_id = {model.id: model for model in _read(self._path)}

    def merged(self, config: Config) -> Config:
        """The configuration with the registered models that it does not name, as many as there are labels for."""
        named = {model.name for model in config.models}
        others = [model.model() for model in self.by_id.values() if model.id not in named]
        room = max(config.limits.models - len(named), 0)
        return msgspec.structs.replace(config, models=(*config.models, *others[:room]))

    def check(self, model: Registration, config: Config) -> None:
        """Raises Wrong where the configuration names the model itself, or there is no label left for it."""
        named = {each.name for each in config.models}
        if model.id in named:
            raise Wrong("id: the configuration names this model; what it says there holds")
        if len(named | self.by_id.keys() | {model.id}) > config.limits.models:
            raise Wrong(f"id: there are as many models as limits.models allows: {config.limits.models}")

    def add(self, model: Registration) -> None:
        """Write a model down, in place of an earlier one with its id. Raises OSError; then nothing has changed."""
        models = self.by_id | {model.id: model}
        make_folder(self._files, self._folder)
        content = msgspec.json.encode(_File(VERSION, list(models.values())))
        close_quietly(replace(self._files, self._path, content))
        self.by_id = models


def _read(path: Path) -> Sequence[Registration]:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OSError(errno.EINVAL, f"damaged: {error}", os.fspath(path)) from None
    if file.version != VERSION:
        raise OSError(errno.EINVAL, f"of version {file.version}, expected {VERSION}", os.fspath(path))
    return file.models


def listed(config: Config, registrations: Registrations) -> list[dict[str, Any]]:
    """What `GET /api/v1/models` says of all models of a merged configuration, in its order."""
    return [_listed(model, registrations.by_id.get(model.name)) for model in config.models]


def _listed(model: Model, registered: Registration | None) -> dict[str, Any]:
    own = registered if registered is not None and registered.model() == model else None
    limits = msgspec.structs.asdict(model.thresholds)
    return {
        "id": model.name,
        "name": own.name if own else model.name,
        "model_type": own.model_type if own else MODEL_TYPES.get(model.modality),
        "kind": KIND,
        "source": "registered" if own else "configuration",
        "version": model.version,
        "environment": model.environment,
        "thresholds": limits | {"latency": round(model.thresholds.latency * 1000, 6)},
        "objectives": msgspec.structs.asdict(model.objectives),
        "prices": msgspec.structs.asdict(model.prices),
    }
